"""Derivatives of fields by coordinates: forward Taylor mode where the network allows it, reverse mode for the rest.

>>> import torch
>>> u, u_t, u_xx = partials(lambda x: x[:, :1] ** 2 * x[:, 1:], torch.tensor([[3.0, 2.0]]), "", "t", "xx")
>>> u.item(), u_t.item(), u_xx.item()
(18.0, 9.0, 4.0)
"""

from lightning_autobalance.derivatives.operators import (
    derivative_along,
    divergence,
    gradient,
    laplacian,
    partials,
    supports_taylor,
)

__all__ = ["partials", "gradient", "divergence", "laplacian", "derivative_along", "supports_taylor"]
