"""Derivatives of elementwise activations, to any order."""

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import torch
from torch import Tensor, nn

Derivatives = Callable[[Tensor, int], list[Tensor]]


def derivatives_of(module: nn.Module) -> Derivatives | None:
    """The function ``(z, order) -> [f(z), f'(z), ...]`` of an activation, or None if it is unknown.

    Args:
        module: An activation of torch in ``KNOWN``, or any module with a method ``derivatives(z, order)``.
    """
    own = getattr(module, "derivatives", None)
    if callable(own):
        found: Derivatives = own
        return found
    kind = next((kind for kind in KNOWN if type(module).forward is kind.forward), None)
    if kind is None or (isinstance(module, nn.GELU) and module.approximate != "none"):
        return None
    return lambda z, order: KNOWN[kind](z, order, module)


def _tanh(z: Tensor, order: int, _: Any = None) -> list[Tensor]:
    t = torch.tanh(z)
    if order <= 2:
        slope = 1 - t * t
        return [t, slope, -2 * t * slope][: order + 1]
    return _polynomials(t, [1.0, 0.0, -1.0], order)


def _sigmoid(z: Tensor, order: int, _: Any = None) -> list[Tensor]:
    return _polynomials(torch.sigmoid(z), [0.0, 1.0, -1.0], order)


def _polynomials(value: Tensor, slope: list[float], order: int) -> list[Tensor]:
    """f, f', ... where f' = slope(f), a polynomial with coefficients from the constant up: all are polynomials of f."""
    found, p = [value], [0.0, 1.0]
    for _ in range(order):
        dp = [i * c for i, c in enumerate(p)][1:]
        p = [0.0] * (len(dp) + len(slope) - 1)
        for i, a in enumerate(dp):
            for j, b in enumerate(slope):
                p[i + j] += a * b
        found.append(_horner(p, value))
    return found


def _horner(p: list[float], x: Tensor) -> Tensor:
    total = torch.full_like(x, p[-1])
    for coefficient in reversed(p[:-1]):
        total = total * x + coefficient
    return total


def _times_z(z: Tensor, order: int, gate: list[Tensor]) -> list[Tensor]:
    """Derivatives of z * gate(z), by Leibniz."""
    return [z * gate[k] + (k * gate[k - 1] if k else 0.0) for k in range(order + 1)]


def _silu(z: Tensor, order: int, _: Any = None) -> list[Tensor]:
    return _times_z(z, order, _sigmoid(z, order))


def _gelu(z: Tensor, order: int, _: Any = None) -> list[Tensor]:
    gate = [0.5 * torch.erfc(-z / sqrt(2.0))]
    density = torch.exp(-0.5 * z * z) / sqrt(2 * pi)
    hermite = [torch.ones_like(z), z]
    for k in range(1, order):
        hermite.append(z * hermite[k] - k * hermite[k - 1])
    gate += [(-1.0) ** k * hermite[k] * density for k in range(order)]
    return _times_z(z, order, gate)


def _softplus(z: Tensor, order: int, module: Any) -> list[Tensor]:
    beta: float = module.beta
    inner = _sigmoid(beta * z, max(order - 1, 0))
    value = nn.functional.softplus(z, beta, module.threshold)
    linear = beta * z > module.threshold  # there torch's softplus is the identity
    slopes = [torch.where(linear, float(k == 0), beta**k * inner[k]) for k in range(order)]
    return [value, *slopes]


KNOWN: dict[type[nn.Module], Callable[[Tensor, int, Any], list[Tensor]]] = {
    nn.Tanh: _tanh,
    nn.Sigmoid: _sigmoid,
    nn.SiLU: _silu,
    nn.GELU: _gelu,
    nn.Softplus: _softplus,
}
