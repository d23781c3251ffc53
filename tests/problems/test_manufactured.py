"""Sources of manufactured solutions against those by hand, and what a changed problem is."""

from collections.abc import Callable, Mapping
from math import pi
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from helpers.toys import fit
from lightning_autobalance.checks import check_exact
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.points import Interval, Rectangle, TimeCylinder
from lightning_autobalance.problems.manufactured import manufactured


class Poisson(PINNModule):
    """Δu = 0, u = 0 at the edge but at the right, where u_n + u = 0."""

    domain = Rectangle((0, 1), (0, 1))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        (laplacian,) = self.partials(points["interior"], "xx+yy")
        right = points["right"]
        return {
            "pde": laplacian,
            "left": self(points["left"]),
            "right": (self.normal_derivative(right, "right") + self(right))[:, 0],
        }

    def default_net(self) -> nn.Module:
        return MLP(2, 1, [6])


class Heat(PINNModule):
    """u_t = u_xx."""

    domain = TimeCylinder(Interval(0, 1), (0, 1))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u_t, u_xx = self.partials(points["interior"], "t", "xx")
        return {"pde": u_t - u_xx, "boundary": self(points["boundary"])}


class Coupled(PINNModule):
    """u_x = v and v_x = -u v."""

    domain = Interval(0, 1)
    fields = ("u", "v")

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        f, f_x = self.partials(points["interior"], "", "x")
        return {"u": f_x[:, 0] - f[:, 1], "v": f_x[:, 1:] + f[:, :1] * f[:, 1:]}


def bumps(x: Tensor) -> Tensor:
    return torch.sin(pi * x[:, :1]) * torch.exp(x[:, 1:])


def two(x: Tensor) -> Tensor:
    return torch.cat([x**2, torch.exp(x)], dim=1)


CASES: list[tuple[type[PINNModule], Callable[[Tensor], Tensor], dict[str, Callable[[Tensor], Tensor]]]] = [
    (
        Poisson,
        bumps,
        {
            "pde": lambda x: (1 - pi**2) * bumps(x),
            "left": bumps,
            "right": lambda x: (-pi * torch.exp(x[:, 1:]) + bumps(x))[:, 0],
        },
    ),
    (Heat, bumps, {"pde": lambda x: (1 + pi**2) * bumps(x), "boundary": bumps}),
    (Coupled, two, {"u": lambda x: (2 * x - torch.exp(x))[:, 0], "v": lambda x: (1 + x**2) * torch.exp(x)}),
]


def points_of(kind: type[PINNModule]) -> dict[str, Tensor]:
    right = torch.tensor([[1.0, 0.3], [1.0, 0.8]], dtype=torch.float64)
    few = torch.rand(5, len(kind.domain.bounds), dtype=torch.float64)
    return dict.fromkeys(kind.domain.parts, few) | {"right": right}


@pytest.mark.parametrize(("kind", "exact", "sources"), CASES, ids=lambda case: getattr(case, "__name__", ""))
@pytest.mark.parametrize("derivatives", ["taylor", "reverse"])
def test_sources_by_hand(kind: Any, exact: Any, sources: Any, derivatives: Any) -> None:
    trial = manufactured(kind, exact)(derivatives=derivatives).double()
    points, parts = points_of(kind), {"u": "interior", "v": "interior", "pde": "interior"}
    own = kind.residuals(trial, points)
    for term, residual in trial.residuals(points).items():
        expected = own[term] - sources[term](points[parts.get(term, term)])
        torch.testing.assert_close(residual, expected, rtol=1e-12, atol=1e-12)
    assert all(size < 1e-12 for size in check_exact(trial).values())


def test_a_function_that_is_none_of_the_fields_is_found() -> None:
    class Wrong(manufactured(Heat, bumps)):  # type: ignore[misc]
        def exact(self, x: Tensor) -> Tensor:
            return 2 * bumps(x)

    with pytest.raises(MisconfigurationException, match="The residual of `pde` must vanish on the exact solution"):
        check_exact(Wrong())


def test_it_trains_and_has_errors(tmp_path: Path) -> None:
    class Trial(manufactured(Heat, bumps)):  # type: ignore[misc]
        """A name."""

    trial = Trial(net=MLP(2, 1, [6]))
    data = CollocationPoints({"interior": 16, "boundary": 4}, seed=0, eval_points=25, steps_per_epoch=2)
    trainer = fit(trial, tmp_path, data, max_steps=2)
    assert trainer.callback_metrics["val/rel_l2"] > 0
    assert manufactured(Heat, bumps).__name__ == "ManufacturedHeat"


def test_unknown_parameters_are_refused() -> None:
    class Unknown(Heat):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.k = nn.Parameter(torch.tensor(2.0))

        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            u_t, u_xx = self.partials(points["interior"], "t", "xx")
            return {"pde": u_t - self.k * u_xx}

    trial = manufactured(Unknown, bumps)()
    with pytest.raises(MisconfigurationException, match=r"without unknown parameters, got \['k'\]"):
        trial.residuals({"interior": torch.rand(3, 2)})
    trial.k.requires_grad_(False)
    trial.residuals({"interior": torch.rand(3, 2)})
