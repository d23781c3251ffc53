"""Activations, by name and our own."""

from typing import final

import torch
from torch import Tensor, nn


@final
class Sin(nn.Module):
    """The sine, elementwise."""

    def forward(self, z: Tensor) -> Tensor:
        """Apply it."""
        return torch.sin(z)

    def derivatives(self, z: Tensor, order: int) -> list[Tensor]:
        """The sine and its derivatives, for Taylor mode.

        Args:
            z: Where.
            order: Up to which.
        """
        values = [torch.sin(z), torch.cos(z)]
        return [values[k % 2] * (-1.0 if k % 4 in (2, 3) else 1.0) for k in range(order + 1)]


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "sin": Sin,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
}
