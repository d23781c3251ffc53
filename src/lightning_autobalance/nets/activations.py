"""Activations by name, and our own; a method ``derivatives(z, order)`` lets Taylor mode pass them."""

from typing import final

import torch
from torch import Tensor, nn


@final
class Sin(nn.Module):
    """The sine, elementwise."""

    def forward(self, z: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return torch.sin(z)

    def derivatives(self, z: Tensor, order: int) -> list[Tensor]:
        """The value and the derivatives up to ``order``, for Taylor mode."""
        values = [torch.sin(z), torch.cos(z)]
        return [values[k % 2] * (-1.0 if k % 4 in (2, 3) else 1.0) for k in range(order + 1)]


@final
class CosSin(nn.Module):
    """The cosine of the first half of the features, the sine of the second half."""

    def forward(self, z: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return self.derivatives(z, 0)[0]

    def derivatives(self, z: Tensor, order: int) -> list[Tensor]:
        """The value and the derivatives up to ``order``, for Taylor mode; ``z`` has an even number of features."""
        half = z.shape[-1] // 2
        c, s = torch.cos(z), torch.sin(z)
        cos, sin, more_cos, more_sin = c[..., :half], s[..., :half], c[..., half:], s[..., half:]
        values = [torch.cat([cos, more_sin], dim=-1), torch.cat([-sin, more_cos], dim=-1)]
        return [values[k % 2] * (-1.0 if k % 4 in (2, 3) else 1.0) for k in range(order + 1)]


@final
class Exp(nn.Module):
    """The exponential function, elementwise."""

    def forward(self, z: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return torch.exp(z)

    def derivatives(self, z: Tensor, order: int) -> list[Tensor]:
        """The value and the derivatives up to ``order``, for Taylor mode."""
        return [torch.exp(z)] * (order + 1)


@final
class Square(nn.Module):
    """The square, elementwise."""

    def forward(self, z: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return z * z

    def derivatives(self, z: Tensor, order: int) -> list[Tensor]:
        """The value and the derivatives up to ``order``, for Taylor mode."""
        values = [z * z, 2 * z, torch.full_like(z, 2.0)]
        return [*values[: order + 1], *[torch.zeros_like(z)] * (order - 2)]


@final
class Parabola(nn.Module):
    r"""A parabola :math:`c (z - a) (b - z)`, elementwise.

    Args:
        a: First root.
        b: Second root.
        factor: c.
    """

    def __init__(self, a: float, b: float, factor: float) -> None:
        super().__init__()
        self.a = a
        self.b = b
        self.factor = factor

    def forward(self, z: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return self.factor * (z - self.a) * (self.b - z)

    def derivatives(self, z: Tensor, order: int) -> list[Tensor]:
        """The value and the derivatives up to ``order``, for Taylor mode."""
        slope, curvature = self.factor * (self.a + self.b - 2 * z), torch.full_like(z, -2 * self.factor)
        values = [self(z), slope, curvature]
        return [*values[: order + 1], *[torch.zeros_like(z)] * (order - 2)]


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "sin": Sin,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
}
