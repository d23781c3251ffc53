"""Equations of the rows without time, for the peers."""

from math import pi
from string import ascii_lowercase

import torch
from torch import Tensor

from benchmarks.race.terms import Derivatives, Term, equation, known, laplacian

XY = ("x", "y")
WAVES, CUT = (1, 4), 8.0  # of the Poisson-Boltzmann source, and the root of its coefficient
VISCOSITY = 0.01


def poisson_2d_classic() -> list[Term]:
    """Laplace's equation between a square and four disks."""
    return [
        equation("pde", lambda _, d: laplacian(d, "u", XY)),
        known("outer", "outer", "u", 1.0),
        known("holes", "hole", "u", 0.0),
    ]


def poisson_boltzmann_2d() -> list[Term]:
    """A screened Poisson equation between a square and four disks."""

    def pde(x: Tensor, d: Derivatives) -> Tensor:
        m1, m2 = WAVES
        sines = torch.sin(m1 * pi * x[:, :1]) * torch.sin(m2 * pi * x[:, 1:])
        source = 10 * (m1**2 + m2**2 + x.square().sum(dim=1, keepdim=True)) * sines
        return -laplacian(d, "u", XY) + CUT**2 * d("u") - source

    return [equation("pde", pde), known("outer", "outer", "u", 0.2), known("holes", "hole", "u", 1.0)]


def momentum(_: Tensor, d: Derivatives) -> list[Tensor]:
    """Steady Navier-Stokes: two residuals."""
    return [
        d("u") * d(w, "x") + d("v") * d(w, "y") + d("p", along) - VISCOSITY * laplacian(d, w, XY)
        for w, along in (("u", "x"), ("v", "y"))
    ]


def continuity(_: Tensor, d: Derivatives) -> Tensor:
    """No sources of mass."""
    return d("u", "x") + d("v", "y")


def _along(profile: Tensor) -> Tensor:
    """A velocity along x of a profile (b, 1): (b, 2)."""
    return torch.cat([profile, torch.zeros_like(profile)], dim=1)


def lid_driven_cavity() -> list[Term]:
    """Flow in a square below a lid that moves with 4 x (1 - x)."""
    return [
        equation("momentum", momentum),
        equation("continuity", continuity),
        known("lid", "top", "u v", lambda x: _along(4 * x[:, :1] * (1 - x[:, :1]))),
        *(known(side, side, "u v", 0.0) for side in ("left", "right", "bottom")),
        known("pressure", "corner", "p", 0.0),
    ]


def backward_facing_step() -> list[Term]:
    """Flow from a narrow into a wide channel."""
    return [
        equation("momentum", momentum),
        equation("continuity", continuity),
        known("inlet", "inlet", "u v", lambda x: _along(4 * x[:, 1:] * (1 - x[:, 1:]))),
        known("outlet", "outlet", "v p", 0.0),
        known("walls", "bottom top lip back", "u v", 0.0),
    ]


def poisson_nd() -> list[Term]:
    """Poisson's equation in five dimensions."""
    names = ascii_lowercase[:5]

    def total(x: Tensor) -> Tensor:
        return torch.sin(pi * x / 2).sum(dim=1, keepdim=True)

    return [
        equation("pde", lambda x, d: laplacian(d, "u", names) + pi**2 / 4 * total(x)),
        known("boundary", "boundary", "u", total),
    ]


def poisson_inverse() -> list[Term]:
    """A coefficient from noisy values of u, with the source that belongs to the solution."""

    def coefficient(x: Tensor) -> Tensor:
        return 1 / (1 + (x**2 + (x - 1) ** 2).sum(dim=1, keepdim=True))

    def pde(x: Tensor, d: Derivatives) -> Tensor:
        sines, cosines = torch.sin(pi * x), torch.cos(pi * x)
        a = coefficient(x)
        slope = ((2 * x - 1) * cosines * sines.flip(1)).sum(dim=1, keepdim=True)
        source = 2 * pi**2 * sines.prod(dim=1, keepdim=True) * a + 2 * pi * a**2 * slope
        return -divergence(d) - source

    return [
        equation("pde", pde),
        known("data", "u_points", "u", "u_values"),
        known("boundary", "boundary", "a", coefficient),
    ]


def divergence(d: Derivatives) -> Tensor:
    """Of a grad u in the plane."""
    return d("a", "x") * d("u", "x") + d("a", "y") * d("u", "y") + d("a") * laplacian(d, "u", XY)
