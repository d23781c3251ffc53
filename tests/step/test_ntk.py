"""Diagonals of neural tangent kernels against the slow, obvious way: one backward pass per residual value."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from helpers.toys import Decay
from lightning_autobalance.jacobian import per_point
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.points import Rectangle, Uniform, sample
from lightning_autobalance.problems import Helmholtz2D, PoissonInverse2D, ReactionDiffusion1D
from lightning_autobalance.step import ntk_diagonals

pytestmark = pytest.mark.filterwarnings("ignore:`derivatives` go by nested reverse mode")  # of an unknown layer

COUNTS = {"interior": 7, "boundary": 5, "initial": 4, "left": 5, "right": 5}


class Toy(PINNModule):
    """Terms of every kind: (b,), (b, k), two parts in one row, two parts in rows of their own, no part at all."""

    domain = Rectangle((0, 1), (0, 1))
    fields = ("u", "v")
    probes: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.register_buffer("probes", torch.tensor([[0.3, 0.6], [0.9, 0.2]], dtype=torch.float64))
        self.unused = nn.Parameter(torch.ones(2))

    def default_net(self) -> nn.Module:
        return MLP(2, 2, [6, 5])

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u, lap, u_x = self.partials(points["interior"], "", "xx+yy", "x")
        both = torch.cat([points["boundary"], points["left"]])
        return {
            "column": lap[:, 0] * u[:, 1] - u_x[:, 0],
            "fields": lap + u,
            "periodic": self(points["left"]) - self(points["right"]),
            "joined": self(both)[:, :1],
            "data": self(self.probes) - 0.5,
        }


class Coupled(Toy):
    """Residuals that mix the points of their batch, one of them in its gradient only."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u = self(points["interior"])[:, 0]
        return {"mean": u - u.mean(), "hidden": u + u.mean() - u.mean().detach(), "sum": u.sum()[None], "plain": u}


class Selecting(Toy):
    """Residuals at the points that meet a condition."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x = points["interior"]
        return {"some": self(x[x[:, 0] > 0.5]), "all": self(x)}


class ByHand(Toy):
    """Derivatives that torch.func cannot take."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x = points["interior"].detach().clone().requires_grad_()
        u = self(x)[:, :1]
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        return {"pde": slope + u, "boundary": self(points["boundary"])}


class Noisy(Decay):
    """Residuals that draw random numbers."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u = self(points["interior"])
        return {"pde": u + torch.rand(1).to(u)}


def ready(module: PINNModule) -> tuple[PINNModule, dict[str, Tensor]]:
    """The module in float64 with a few points in each part."""
    draws = {
        p: sample(module.domain, p, n, Uniform(), 0, i)
        for i, (p, n) in enumerate(COUNTS.items())
        if p in module.domain.parts
    }
    return module.double(), {part: torch.as_tensor(x, dtype=torch.float64) for part, x in draws.items()}


def diagonals(module: PINNModule, points: Mapping[str, Tensor]) -> Tensor:
    return ntk_diagonals(module, module.residuals, points, module.weights)


def slow(module: PINNModule, points: Mapping[str, Tensor]) -> Tensor:
    params = [p for p in module.parameters() if p.requires_grad]
    means = []
    for residual in module.residuals(points).values():
        squares = []
        for value in residual.flatten():
            gradients = torch.autograd.grad(value, params, retain_graph=True, allow_unused=True)
            squares.append(sum(g.square().sum() for g in gradients if g is not None))
        means.append(torch.stack(squares).mean())
    return torch.stack(means)


MODULES = {
    "helmholtz": Helmholtz2D,
    "inverse": lambda: PoissonInverse2D(u_points=5, a_points=3),
    "reaction": ReactionDiffusion1D,
    "toy": Toy,
    "gelu": lambda: Toy(net=MLP(2, 2, [6, 5], activation="gelu")),
    "reverse": lambda: Toy(derivatives="reverse"),
    "unknown net": lambda: Toy(net=nn.Sequential(nn.Linear(2, 4), nn.RMSNorm(4), nn.Tanh(), nn.Linear(4, 2))),
    "coupled": Coupled,
    "selecting": Selecting,
    "by hand": ByHand,
}


@pytest.fixture(params=MODULES.values(), ids=MODULES)
def case(request: pytest.FixtureRequest) -> tuple[PINNModule, dict[str, Tensor]]:
    torch.manual_seed(0)
    return ready(request.param())


@pytest.mark.parametrize("chunk", [3, 512])
def test_equal_to_one_backward_pass_per_value(case: Any, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(per_point, "CHUNK", chunk)
    monkeypatch.setattr(per_point, "SLOW_CHUNK", min(chunk, 4))
    module, points = case
    found = diagonals(module, points)
    assert found.dtype == torch.float64
    assert not found.requires_grad
    assert_close(found, slow(module, points), rtol=1e-10, atol=0.0)


def unexpected(group: Any) -> Any:
    raise AssertionError(f"{group.term} goes the slow way")
    yield


@pytest.mark.parametrize("name", ["helmholtz", "reaction", "inverse", "toy", "gelu", "reverse", "by hand"])
def test_only_taylor_mode_goes_the_fast_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, points = ready(MODULES[name]())
    monkeypatch.setattr(per_point._RowGroup, "by_backward", unexpected)
    slow = pytest.raises(AssertionError, match="goes the slow way") if name in ("reverse", "by hand") else nullcontext()
    with slow:
        diagonals(module, points)


def test_float32_agrees_with_float64() -> None:
    torch.manual_seed(0)
    module, points = ready(Toy())
    exact = diagonals(module, points)
    single = diagonals(module.float(), {part: x.float() for part, x in points.items()})
    assert single.dtype == torch.float32
    assert_close(single.double(), exact, rtol=1e-4, atol=0.0)


def test_fixed_weights_are_factors() -> None:
    module, points = ready(Toy())
    plain = diagonals(module, points)
    module.weights = {"fields": 5.0, "data": 0.0}
    assert_close(diagonals(module, points), plain * torch.tensor([1.0, 5.0, 1.0, 1.0, 0.0], dtype=torch.float64))


def test_frozen_parameters_do_not_count() -> None:
    module, points = ready(Toy())
    whole = diagonals(module, points)
    module.net[0].weight.requires_grad_(False)
    found = diagonals(module, points)
    assert_close(found, slow(module, points), rtol=1e-10, atol=0.0)
    assert (found < whole).all()


def test_gradients_and_random_states_are_left_alone() -> None:
    module, points = ready(Noisy())
    for p in module.parameters():
        p.grad, p.jac = torch.full_like(p, 2.0), torch.full_like(p, 3.0)
    before = torch.get_rng_state()
    diagonals(module, points)
    assert torch.equal(torch.get_rng_state(), before)
    assert all((p.grad == 2).all() and (p.jac == 3).all() for p in module.parameters())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_may_be_disabled_outside(mode: Any) -> None:
    module, points = ready(Toy())
    expected = slow(module, points)
    with mode():
        assert_close(diagonals(module, points), expected, rtol=1e-10, atol=0.0)


def test_a_term_that_reaches_no_parameter_has_none() -> None:
    module, points = ready(Toy())
    module.residuals = lambda points: {
        "known": points["interior"].sum(dim=1),
        "u": Toy.residuals(module, points)["data"],
    }
    known, u = diagonals(module, points)
    assert known == 0
    leaf = {part: x.clone().requires_grad_() for part, x in points.items()}
    assert_close(diagonals(module, leaf), torch.stack([known, u]))
    assert u > 0
