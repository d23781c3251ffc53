"""u_t + u u_x = 0.01/π u_xx on [-1, 1], u = -sin(πx) at t = 0, by the transformation of Cole and Hopf.

It makes the equation that of heat, so that with f(y) = exp(-cos(πy) / (2πν))

    u(x, t) = -∫ sin(π(x - 2√(νt) z)) f(x - 2√(νt) z) exp(-z²) dz / ∫ f(x - 2√(νt) z) exp(-z²) dz,

by Gauss-Hermite quadrature. The error stated is the relative L2 difference from half as many nodes.

Reference: C. Basdevant et al., "Spectral and finite difference solutions of the Burgers equation", Computers & Fluids
14, 1986.
"""

from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_hermite

from benchmarks.references.table import Errors, Table, relative_l2

Real = NDArray[np.float64]
VISCOSITY = 0.01 / pi


def solution(x: Real, t: Real, nodes: int = 100) -> Real:
    """U at points, both (n,)."""
    z, weights = roots_hermite(nodes)
    y = x[:, None] - 2 * np.sqrt(VISCOSITY * t)[:, None] * z
    exponent = -np.cos(pi * y) / (2 * pi * VISCOSITY)
    mass = weights * np.exp(exponent - exponent.max(axis=1, keepdims=True))
    found: Real = -(np.sin(pi * y) * mass).sum(axis=1) / mass.sum(axis=1)
    return found


def burgers(nodes: int = 100) -> tuple[Table, Errors]:
    """The solution on a grid of 1/128 in x and 1/50 in t, and its error."""
    x, t = (each.ravel() for each in np.meshgrid(np.linspace(-1, 1, 257), np.linspace(0, 1, 51)))
    fine, coarse = solution(x, t, nodes), solution(x, t, nodes // 2)
    return {"x": x, "t": t, "u": fine}, {"u": relative_l2(coarse, fine)}
