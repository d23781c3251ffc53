"""Curvature of losses by the parameters: Hessians as operators, their spectra, and how well they are conditioned."""

from lightning_autobalance.curvature.lanczos import Ritz, lanczos
from lightning_autobalance.curvature.operators import Operator, dense, hessian, hessian_vector_product, scaled, total
from lightning_autobalance.curvature.spectrum import (
    Spectrum,
    effective_condition_number,
    hessian_spectrum,
    spectrum_of,
)

__all__ = [
    "Operator",
    "hessian",
    "hessian_vector_product",
    "scaled",
    "total",
    "dense",
    "Ritz",
    "lanczos",
    "Spectrum",
    "spectrum_of",
    "hessian_spectrum",
    "effective_condition_number",
]
