"""Equations of the rows with time, for the peers."""

from math import pi
from string import ascii_lowercase

import torch
from torch import Tensor

from benchmarks.race.steady import XY, divergence
from benchmarks.race.terms import Derivatives, Term, equation, known, laplacian

BURGERS = 0.01 / pi
SLOW, FAST = 1 / (500 * pi) ** 2, 1 / pi**2  # conductivities of the multiscale heat equation along x and y
SPEED, MODE = 2.0, 4  # of the wave, and the number of half waves of its second part


def burgers_1d() -> list[Term]:
    """Burgers' equation from a sine."""
    return [
        equation("pde", lambda _, d: d("u", "t") + d("u") * d("u", "x") - BURGERS * d("u", "x", "x")),
        known("initial", "initial", "u", lambda x: -torch.sin(pi * x[:, :1])),
        known("boundary", "boundary", "u", 0.0),
    ]


def heat_multiscale_2d() -> list[Term]:
    """Heat that conducts far worse along x than along y."""

    def pde(_: Tensor, d: Derivatives) -> Tensor:
        return d("u", "t") - SLOW * d("u", "x", "x") - FAST * d("u", "y", "y")

    def start(x: Tensor) -> Tensor:
        return torch.sin(20 * pi * x[:, :1]) * torch.sin(pi * x[:, 1:2])

    return [
        equation("pde", pde),
        known("initial", "initial", "u", start),
        known("boundary", "boundary", "u", 0.0),
    ]


def heat_long_time_2d() -> list[Term]:
    """Heat with a source that depends on it, over twelve periods."""

    def pde(x: Tensor, d: Derivatives) -> Tensor:
        u, t = d("u"), x[:, 2:]
        place = torch.sin(4 * pi * x[:, :1]) * torch.sin(2 * pi * x[:, 1:2])
        return (
            d("u", "t") - 0.001 * laplacian(d, "u", XY) - 5 * torch.sin(u**2) * (1 + 2 * torch.sin(pi * t / 4)) * place
        )

    def start(x: Tensor) -> Tensor:
        return torch.sin(4 * pi * x[:, :1]) * torch.sin(3 * pi * x[:, 1:2])

    return [
        equation("pde", pde),
        known("initial", "initial", "u", start),
        known("boundary", "boundary", "u", 0.0),
    ]


def wave_1d() -> list[Term]:
    """Two standing waves."""

    def start(x: Tensor) -> Tensor:
        return torch.sin(pi * x[:, :1]) + 0.5 * torch.sin(MODE * pi * x[:, :1])

    return [
        equation("pde", lambda _, d: d("u", "t", "t") - SPEED**2 * d("u", "x", "x")),
        known("initial", "initial", "u", start),
        equation("velocity", lambda _, d: d("u", "t"), "initial"),
        known("boundary", "boundary", "u", 0.0),
    ]


def heat_nd() -> list[Term]:
    """Heat in a ball of five dimensions, with a given flux through its surface."""
    names = ascii_lowercase[:5]

    def square(x: Tensor) -> Tensor:
        return x[:, :-1].square().sum(dim=1, keepdim=True)

    def exact(x: Tensor) -> Tensor:
        return torch.exp(square(x) / 2 + x[:, -1:])

    def pde(x: Tensor, d: Derivatives) -> Tensor:
        return d("u", "t") - laplacian(d, "u", names) / 5 + square(x) * exact(x) / 5

    def flux(x: Tensor, d: Derivatives) -> Tensor:
        outward = torch.stack([x[:, i : i + 1] * d("u", name) for i, name in enumerate(names)]).sum(dim=0)
        return outward - exact(x)

    return [equation("pde", pde), equation("flux", flux, "boundary"), known("initial", "initial", "u", exact)]


def heat_inverse_2d() -> list[Term]:
    """A coefficient from noisy values of u over time."""

    def sines(x: Tensor) -> Tensor:
        return torch.sin(pi * x[:, :2]).prod(dim=1, keepdim=True)

    def pde(x: Tensor, d: Derivatives) -> Tensor:
        along_x = torch.cos(pi * x[:, :1]) * torch.sin(pi * x[:, 1:2])
        along_y = torch.sin(pi * x[:, :1]) * torch.cos(pi * x[:, 1:2])
        source = (4 * pi**2 - 1) * sines(x) + pi**2 * (2 * sines(x) ** 2 - along_x**2 - along_y**2)
        return d("u", "t") - divergence(d) - torch.exp(-x[:, 2:]) * source

    return [
        equation("pde", pde),
        equation("steady", lambda _, d: d("a", "t")),
        known("data", "u_points", "u", "u_values"),
        known("boundary", "boundary", "a", lambda x: 2 + sines(x)),
    ]


def allen_cahn_1d() -> list[Term]:
    """Two phases that part."""

    def pde(_: Tensor, d: Derivatives) -> Tensor:
        u = d("u")
        return d("u", "t") - 1e-4 * d("u", "x", "x") + 5 * u**3 - 5 * u

    return [
        equation("pde", pde),
        known("initial", "initial", "u", lambda x: x[:, :1] ** 2 * torch.cos(pi * x[:, :1])),
    ]


def convection_1d() -> list[Term]:
    """A sine carried around a ring."""
    return [
        equation("pde", lambda _, d: d("u", "t") + 30 * d("u", "x")),
        known("initial", "initial", "u", lambda x: torch.sin(x[:, :1])),
    ]


def kdv_1d() -> list[Term]:
    """Waves that become a train of solitons."""
    return [
        equation("pde", lambda _, d: d("u", "t") + d("u") * d("u", "x") + 0.0025 * d("u", "x", "x", "x")),
        known("initial", "initial", "u", lambda x: torch.cos(pi * x[:, :1])),
    ]
