"""The three problems as every contender sees them: points, plain residuals, and what is known where."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import pi
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lightning_autobalance.problems import Helmholtz2D, PoissonInverse2D, ReactionDiffusion1D
from lightning_autobalance.problems.reaction_diffusion_1d import AMPLITUDES

Net = Callable[[Tensor], Tensor]
Data = Mapping[str, Tensor]
Residual = Callable[[Net, Data], Tensor]


class Known(NamedTuple):
    """Values of a field at points, part of a loss term.

    Args:
        term: Name of the loss term.
        field: Column of the network's output.
        x: Points (b, d).
        value: Values (b, 1).
        share: Weight of these values' mean square in the term's loss; the shares of a term sum to 1.
    """

    term: str
    field: int
    x: Tensor
    value: Tensor
    share: float = 1.0


class Problem(NamedTuple):
    """One of the paper's problems.

    Args:
        title: Name in tables.
        module: Makes our module of the problem.
        points: Number of points by part of the domain, as in its configuration.
        coordinates: Names of the coordinates.
        fields: Names of the network's outputs.
        source: Inhomogeneous part of the residual: points (b, d) to (b, 1).
        residuals: Residuals by term, written with nested `torch.autograd.grad`.
        known: Values that the network is fitted to.
    """

    title: str
    module: Callable[..., Any]
    points: Mapping[str, int]
    coordinates: tuple[str, ...]
    fields: tuple[str, ...]
    source: Callable[[Tensor], Tensor]
    residuals: Mapping[str, Residual]
    known: Callable[[Data], Sequence[Known]]


def helmholtz_source(x: Tensor) -> Tensor:
    """Source term of Helmholtz with five half waves along each side.

    Args:
        x: Points (b, 2).
    """
    return (1 - 50 * pi**2) * torch.sin(5 * pi * x[:, :1]) * torch.sin(5 * pi * x[:, 1:])


def reaction(x: Tensor) -> Tensor:
    """Source term of the reaction-diffusion problem.

    Args:
        x: Points (b, 2), columns x and t.
    """
    waves = [(n**2 - 1) * a * torch.sin(n * x[:, :1]) for n, a in AMPLITUDES.items()]
    return torch.exp(-x[:, 1:]) * torch.stack(waves).sum(dim=0)


def poisson_source(x: Tensor) -> Tensor:
    """Source term of the inverse Poisson problem.

    Args:
        x: Points (b, 2).
    """
    sines, cosines = torch.sin(pi * x), torch.cos(pi * x)
    d = 1 + (x**2 + (x - 1) ** 2).sum(dim=1, keepdim=True)
    slope = ((2 * x - 1) * cosines * sines.flip(1)).sum(dim=1, keepdim=True)
    return 2 * pi**2 * sines.prod(dim=1, keepdim=True) / d + 2 * pi * slope / d**2


def grad(of: Tensor, x: Tensor) -> Tensor:
    """Gradient of a sum by the points, with a graph for further derivatives.

    Args:
        of: Tensor whose sum is differentiated.
        x: Points (b, d).
    """
    return torch.autograd.grad(of.sum(), x, create_graph=True)[0]


def _helmholtz(net: Net, data: Data) -> Tensor:
    x = data["interior"].detach().requires_grad_()
    u = net(x)
    slope = grad(u, x)
    u_xx, u_yy = (grad(slope[:, i], x)[:, i : i + 1] for i in range(2))
    return u_xx + u_yy + u - helmholtz_source(x)


def _diffusion(net: Net, data: Data) -> Tensor:
    x = data["interior"].detach().requires_grad_()
    slope = grad(net(x), x)
    u_xx = grad(slope[:, 0], x)[:, :1]
    return slope[:, 1:] - u_xx - reaction(x)


def _ends_and_start(net: Net, data: Data) -> Tensor:
    x = torch.cat([data["boundary"], data["initial"]])
    return net(x) - torch.cat([torch.zeros_like(data["boundary"][:, :1]), _start(data["initial"])])


def _start(x: Tensor) -> Tensor:
    return torch.stack([a * torch.sin(n * x[:, :1]) for n, a in AMPLITUDES.items()]).sum(dim=0)


def _inverse_poisson(net: Net, data: Data) -> Tensor:
    x = data["interior"].detach().requires_grad_()
    u, a = net(x).unbind(1)
    slope, slope_of_a = grad(u, x), grad(a, x)
    u_xx, u_yy = (grad(slope[:, i], x)[:, i] for i in range(2))
    return -((slope_of_a * slope).sum(dim=1) + a * (u_xx + u_yy)) - poisson_source(x)[:, 0]


def _measurements(net: Net, data: Data) -> Tensor:
    n = len(data["u_points"])
    found = net(torch.cat([data["u_points"], data["a_points"]]))
    return torch.cat([found[:n, :1] - data["u_values"], found[n:, 1:] - data["a_values"]])


def _zero_edge(data: Data) -> list[Known]:
    return [Known("boundary", 0, data["boundary"], torch.zeros_like(data["boundary"][:, :1]))]


def _edge_of_cylinder(data: Data) -> list[Known]:
    values = torch.cat([torch.zeros_like(data["boundary"][:, :1]), _start(data["initial"])])
    return [Known("boundary", 0, torch.cat([data["boundary"], data["initial"]]), values)]


def _measured(data: Data) -> list[Known]:
    counts = [len(data[f"{field}_points"]) for field in "ua"]
    return [
        Known("data", i, data[f"{field}_points"], data[f"{field}_values"], counts[i] / sum(counts))
        for i, field in enumerate("ua")
    ]


PROBLEMS = {
    "helmholtz_2d": Problem(
        "2-D Helmholtz",
        Helmholtz2D,
        {"interior": 2000, "boundary": 400},
        ("x", "y"),
        ("u",),
        helmholtz_source,
        {"pde": _helmholtz, "boundary": lambda net, data: net(data["boundary"])},
        _zero_edge,
    ),
    "reaction_diffusion_1d": Problem(
        "1-D reaction-diffusion",
        ReactionDiffusion1D,
        {"interior": 2000, "boundary": 50, "initial": 50},
        ("x", "t"),
        ("u",),
        reaction,
        {"pde": _diffusion, "boundary": _ends_and_start},
        _edge_of_cylinder,
    ),
    "poisson_inverse_2d": Problem(
        "2-D inverse Poisson",
        partial(PoissonInverse2D, data_seed=0),
        {"interior": 100},
        ("x", "y"),
        ("u", "a"),
        poisson_source,
        {"pde": _inverse_poisson, "data": _measurements},
        _measured,
    ),
}
