r"""Derivatives by the parameters: one gradient per loss term, and the Hessians of the terms with their spectra."""

from lightning_autobalance.jacobian.lanczos import Ritz, lanczos
from lightning_autobalance.jacobian.operators import Operator, dense, hessian, hessian_vector_product, scaled, total
from lightning_autobalance.jacobian.spectrum import (
    Spectrum,
    effective_condition_number,
    hessian_spectrum,
    spectrum_of,
)
from lightning_autobalance.jacobian.terms import (
    FreedGraphError,
    backward,
    block,
    flatten,
    gramian,
    graphs_are_shared,
    term_gradients,
)

__all__ = [
    "backward",
    "term_gradients",
    "graphs_are_shared",
    "FreedGraphError",
    "block",
    "flatten",
    "gramian",
    "hessian_spectrum",
    "effective_condition_number",
    "Spectrum",
    "spectrum_of",
    "Operator",
    "hessian",
    "hessian_vector_product",
    "scaled",
    "total",
    "dense",
    "Ritz",
    "lanczos",
]
