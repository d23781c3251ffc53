"""What holds for every weighting."""

import inspect
import io
import pickle
from collections.abc import Callable
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from helpers.balancing import view_of
from helpers.toys import Decay, fit
from lightning_autobalance.balancing import (
    DWA,
    IMTLL,
    NTK,
    EqualWeights,
    GradNorm,
    JaxpiGradNorm,
    LearningRateAnnealing,
    RandomWeights,
    ReLoBRaLo,
    SoftAdapt,
    StepView,
    UncertaintyWeighting,
    Weighting,
)

Make = Callable[[], Weighting]
METHODS: dict[str, Make] = {
    "EqualWeights": EqualWeights,
    "NTK": lambda: NTK(interval=3, decay=0.5),
    "DWA": lambda: DWA(window=2),
    "DWA literal": lambda: DWA(window=1),
    "LearningRateAnnealing": lambda: LearningRateAnnealing(interval=2),
    "JaxpiGradNorm": lambda: JaxpiGradNorm(interval=2),
    "GradNorm": lambda: GradNorm(lr=1e-3),
    "GradNorm adam": lambda: GradNorm(optimizer="adam"),
    "UncertaintyWeighting": lambda: UncertaintyWeighting(lr=0.1),
    "UncertaintyWeighting sigma": lambda: UncertaintyWeighting("sigma", lr=0.1),
    "IMTLL": lambda: IMTLL(lr=0.1),
    "ReLoBRaLo": lambda: ReLoBRaLo(rho=0.5, decay=0.9, temperature=1.0, seed=0),
    "SoftAdapt": lambda: SoftAdapt(beta=1.0),
    "SoftAdapt normalized": lambda: SoftAdapt(normalized=True),
    "SoftAdapt loss weighted": lambda: SoftAdapt(loss_weighted=True),
    "RandomWeights": lambda: RandomWeights(seed=0),
}
ORDER_MATTERS = {"LearningRateAnnealing", "RandomWeights"}  # the first term is the reference; draws go term by term
STEPS = 9


@pytest.fixture(params=METHODS.values(), ids=METHODS)
def make(request: pytest.FixtureRequest) -> Make:
    return request.param


def view(step: int, count: int = 3, *, order: list[int] | None = None, dtype: torch.dtype = torch.float64) -> StepView:
    """A step with gradients, losses and kernels of a random run."""
    random = torch.Generator().manual_seed(step)
    rows, losses, kernels = (torch.rand(count, 4, generator=random, dtype=torch.float64) + 0.1 for _ in range(3))
    index = order or list(range(count))
    plain = view_of(rows[index], losses[index, 0], step, lambda: kernels[index, 0].to(dtype))
    return StepView(step, plain.terms, plain.losses.to(dtype), plain.jacobian.to(dtype), plain.kernels)


def run(method: Weighting, steps: range = range(STEPS), **options: Any) -> Tensor:
    return torch.stack([method(view(step, **options)) for step in steps])


def subclasses(kind: type) -> set[type]:
    return {kind}.union(*(subclasses(sub) for sub in kind.__subclasses__()))


def test_the_list_is_complete() -> None:
    ours = {kind for kind in subclasses(Weighting) if kind.__module__.startswith("lightning_autobalance")}
    concrete = {kind for kind in ours if not inspect.isabstract(kind)}
    assert {type(make()) for make in METHODS.values()} == concrete


def test_one_finite_weight_per_term(make: Make) -> None:
    for count, dtype in product([1, 2, 3, 5], [torch.float32, torch.float64]):
        weights = run(make(), count=count, dtype=dtype)
        assert weights.shape == (STEPS, count)
        assert weights.dtype == dtype
        assert not weights.requires_grad
        assert torch.isfinite(weights).all()
        assert (weights >= 0).all()


def test_the_same_twice(make: Make) -> None:
    assert torch.equal(run(make()), run(make()))


def test_later_steps_leave_earlier_weights_alone(make: Make) -> None:
    method = make()
    kept = [method(view(step)) for step in range(STEPS)]
    assert torch.equal(torch.stack(kept), run(make()))


@pytest.mark.parametrize("name", sorted(METHODS.keys() - ORDER_MATTERS))
def test_permuted_terms_have_permuted_weights(name: str) -> None:
    order = [2, 0, 1]
    assert_close(run(METHODS[name](), order=order), run(METHODS[name]())[:, order], rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("name", sorted(ORDER_MATTERS))
def test_the_order_of_terms_matters(name: str) -> None:
    order = [2, 0, 1]
    difference = run(METHODS[name](), order=order) - run(METHODS[name]())[:, order]
    assert difference.abs().max() > 1e-2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_fresh_object_goes_on_from_the_state(make: Make, dtype: torch.dtype) -> None:
    whole = run(make(), dtype=dtype)
    for after in (0, 1, 2, 5):
        method, file = make(), io.BytesIO()
        for step in range(after):
            method(view(step, dtype=dtype))
        torch.save(method.state_dict(), file)
        file.seek(0)
        fresh = make()
        fresh.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(run(fresh, range(after, STEPS), dtype=dtype), whole[after:])


def test_an_older_state_replaces_a_newer_one(make: Make) -> None:
    method = make()
    before = deepcopy(method.state_dict())
    run(method)
    method.load_state_dict(before)
    assert torch.equal(run(method), run(make()))


@pytest.mark.parametrize("copy", [deepcopy, lambda method: pickle.loads(pickle.dumps(method))])
def test_copies_go_their_own_way(make: Make, copy: Any) -> None:
    method = make()
    run(method, range(5))
    other = copy(method)
    run(other, range(5, STEPS))
    assert torch.equal(run(method, range(5, STEPS)), run(make())[5:])


BAD: dict[str, Callable[[torch.dtype], float]] = {
    "zero": lambda dtype: 0.0,
    "tiny": lambda dtype: torch.finfo(dtype).tiny,
    "huge": lambda dtype: torch.finfo(dtype).max,
    "inf": lambda dtype: float("inf"),
    "nan": lambda dtype: float("nan"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bad_input_never_gives_a_bad_weight(
    make: Make, bad: Callable[[torch.dtype], float], dtype: torch.dtype
) -> None:
    method = make()
    for step in range(45):
        good = view(step, dtype=dtype)
        given = {"losses": good.losses.clone(), "jacobian": good.jacobian.clone(), "kernels": good.kernels().clone()}
        spoilt = [*given, "all"][step // 5 % 4]
        for name, values in given.items():
            if step % 5 != 4 and spoilt in (name, "all"):
                values[step % 3 :] = bad(dtype)
        kernels = given.pop("kernels")
        weights = method(StepView(step, good.terms, **given, kernels=lambda kernels=kernels: kernels))
        assert torch.isfinite(weights).all(), (step, weights)
        assert (weights >= 0).all()
    later = run(method, range(45, 54), dtype=dtype)
    assert torch.isfinite(later).all()


def test_a_run(make: Make, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Decay(balancer=make(), optimizer=lambda params: torch.optim.AdamW(params, lr=1e-2))
    start = [p.detach().clone() for p in module.net.parameters()]
    fit(module, tmp_path, max_steps=7)
    assert module.balancer is not None
    assert module.balancer.weights is not None
    assert module.balancer.weights.shape == (2,)
    assert all(not torch.equal(p, before) for p, before in zip(module.net.parameters(), start, strict=True))
    assert set(dict(module.named_parameters())) == {f"net.{name}" for name, _ in module.net.named_parameters()}
