"""Derivatives with respect to the parameters.

`terms`: one gradient per loss term, the rows of the Jacobian J, (m, n). `row_builder`: one per residual value, (N, n),
which `rows` keeps, and `linear_tape`, `per_point` or `single_rows` find. `row_parts`: which points a row follows from.
`operators`: Hessians by their products with a vector. `lanczos`, `spectrum`: their eigenvalues and condition.
"""

from lightning_autobalance.jacobian.lanczos import Ritz, lanczos
from lightning_autobalance.jacobian.operators import Operator, dense, hessian, hessian_vector_product, scaled, summed
from lightning_autobalance.jacobian.row_builder import RowJacobians
from lightning_autobalance.jacobian.row_parts import parts_of_terms
from lightning_autobalance.jacobian.rows import DenseBlock, RowJacobian
from lightning_autobalance.jacobian.spectrum import (
    Spectrum,
    effective_condition_number,
    hessian_spectrum,
    spectrum_of,
)
from lightning_autobalance.jacobian.terms import (
    FreedGraphError,
    backward,
    flatten,
    gramian,
    graphs_are_shared,
    row_order,
    stack_gradients,
    term_gradients,
)

__all__ = [
    "RowJacobians",
    "RowJacobian",
    "parts_of_terms",
    "DenseBlock",
    "backward",
    "term_gradients",
    "graphs_are_shared",
    "FreedGraphError",
    "row_order",
    "stack_gradients",
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
    "summed",
    "dense",
    "Ritz",
    "lanczos",
]
