"""Domains with named parts, and samplers of collocation points."""

from lightning_autobalance.points.boxes import Box, Interval, Rectangle
from lightning_autobalance.points.disk import Disk
from lightning_autobalance.points.domain import Domain, Face, rounded_inside
from lightning_autobalance.points.draws import Draws, points_of
from lightning_autobalance.points.samplers import Grid, LatinHypercube, Sampler, Sobol, Uniform
from lightning_autobalance.points.sampling import sample
from lightning_autobalance.points.time_cylinder import TimeCylinder

__all__ = [
    "Domain",
    "Face",
    "rounded_inside",
    "Interval",
    "Rectangle",
    "Box",
    "Disk",
    "TimeCylinder",
    "Sampler",
    "Uniform",
    "Grid",
    "LatinHypercube",
    "Sobol",
    "sample",
    "Draws",
    "points_of",
]
