"""Domains with named parts, and samplers of collocation points."""

from lightning_autobalance.points.ball import Ball
from lightning_autobalance.points.boxes import Box, Interval, Rectangle
from lightning_autobalance.points.disk import Disk
from lightning_autobalance.points.domain import Domain, rounded, rounded_inside
from lightning_autobalance.points.ellipse import Ellipse
from lightning_autobalance.points.extended import Extended
from lightning_autobalance.points.face import Face
from lightning_autobalance.points.measured_parts import MeasuredParts
from lightning_autobalance.points.measurements import Measurements
from lightning_autobalance.points.opposite import opposite
from lightning_autobalance.points.parameters import ParameterRange, Parametric
from lightning_autobalance.points.point_cloud import PointCloud
from lightning_autobalance.points.polygon import Polygon
from lightning_autobalance.points.probe_files import read_probes
from lightning_autobalance.points.quadrature import quadrature
from lightning_autobalance.points.reference import Reference
from lightning_autobalance.points.samplers import Grid, LatinHypercube, Sampler, Sobol, Uniform
from lightning_autobalance.points.sampling import most_points, sample, shared_out
from lightning_autobalance.points.shape import Combination, Shape
from lightning_autobalance.points.sides import outward
from lightning_autobalance.points.time_cylinder import TimeCylinder

__all__ = [
    "Domain",
    "Shape",
    "Combination",
    "Face",
    "rounded",
    "rounded_inside",
    "Interval",
    "Rectangle",
    "Box",
    "Disk",
    "Ellipse",
    "Polygon",
    "Ball",
    "PointCloud",
    "Extended",
    "TimeCylinder",
    "ParameterRange",
    "Parametric",
    "Reference",
    "Sampler",
    "Uniform",
    "Grid",
    "LatinHypercube",
    "Sobol",
    "sample",
    "shared_out",
    "most_points",
    "outward",
    "quadrature",
    "opposite",
    "read_probes",
    "Measurements",
    "MeasuredParts",
]
