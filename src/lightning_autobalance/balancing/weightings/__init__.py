"""Weightings: from losses, gradients or kernels to one weight per loss term, (m,)."""

from lightning_autobalance.balancing.weightings.base import Weighting
from lightning_autobalance.balancing.weightings.dwa import DWA
from lightning_autobalance.balancing.weightings.equal_weights import EqualWeights
from lightning_autobalance.balancing.weightings.grad_norm import GradNorm
from lightning_autobalance.balancing.weightings.imtll import IMTLL
from lightning_autobalance.balancing.weightings.jaxpi_grad_norm import JaxpiGradNorm
from lightning_autobalance.balancing.weightings.learning_rate_annealing import LearningRateAnnealing
from lightning_autobalance.balancing.weightings.ntk import NTK
from lightning_autobalance.balancing.weightings.random_weights import RandomWeights
from lightning_autobalance.balancing.weightings.re_lo_bra_lo import ReLoBRaLo
from lightning_autobalance.balancing.weightings.soft_adapt import SoftAdapt
from lightning_autobalance.balancing.weightings.uncertainty_weighting import UncertaintyWeighting

__all__ = [
    "Weighting",
    "EqualWeights",
    "NTK",
    "DWA",
    "LearningRateAnnealing",
    "JaxpiGradNorm",
    "GradNorm",
    "UncertaintyWeighting",
    "IMTLL",
    "ReLoBRaLo",
    "SoftAdapt",
    "RandomWeights",
]
