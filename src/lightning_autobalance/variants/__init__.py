"""Variants turn points and residuals into one loss per term."""

from lightning_autobalance.variants.base import ProblemInfo, StepContext, Variant
from lightning_autobalance.variants.causal import Causal
from lightning_autobalance.variants.copinn import CoPINN
from lightning_autobalance.variants.cwp import CWP
from lightning_autobalance.variants.gpinn import GPINN
from lightning_autobalance.variants.growing_time import GrowingTime
from lightning_autobalance.variants.mean_squares import MeanSquares
from lightning_autobalance.variants.part import PartVariant
from lightning_autobalance.variants.point_weights import PointWeights
from lightning_autobalance.variants.rba import RBA
from lightning_autobalance.variants.resampling import RAD, RAR
from lightning_autobalance.variants.ropinn import RoPINN
from lightning_autobalance.variants.sa_pinn import SAPINN
from lightning_autobalance.variants.stack import Stack

__all__ = [
    "CWP",
    "Causal",
    "CoPINN",
    "GPINN",
    "GrowingTime",
    "MeanSquares",
    "StepContext",
    "PartVariant",
    "PointWeights",
    "RAD",
    "RAR",
    "RBA",
    "RoPINN",
    "SAPINN",
    "ProblemInfo",
    "Stack",
    "Variant",
]

Site, Moment = ProblemInfo, StepContext  # their former names, for variants of one's own
