"""Linear warm-up, then stepped exponential decay with a floor; and torch's schedules on our optimizer."""

import copy
import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import lr_scheduler
from torch.testing import assert_close

from helpers.optimizers import parameter
from lightning_autobalance.optim import AutoAdamW, WarmupExponentialDecay

NUMBERS = {  # methods.md section 2, Helmholtz
    0: 1e-4,
    750: 5.05e-3,
    1499: 9.9934e-3,
    1500: 1e-2,
    1549: 1e-2,
    1550: 9.857188534e-3,
    2500: 7.5e-3,
    10_000: 8.670032767e-4,
    25_550: 1e-5,
    29_999: 1e-5,
}


def optimizer(*rates: float | Tensor) -> torch.optim.Optimizer:
    groups = [{"params": [torch.zeros(2, requires_grad=True)], "lr": lr} for lr in rates or (1e-2,)]
    return torch.optim.AdamW(groups, capturable=any(isinstance(lr, Tensor) for lr in rates))


def rates(scheduler: WarmupExponentialDecay) -> list[float]:
    return [float(group["lr"]) for group in scheduler.optimizer.param_groups]


def advance(scheduler: WarmupExponentialDecay, updates: int) -> list[list[float]]:
    """The learning rates of so many updates."""
    found = []
    for _ in range(updates):
        found.append(rates(scheduler))
        scheduler.optimizer.step()
        scheduler.step()
    return found


def closed_form(k: int, peak: float = 1e-2, floor: float = 1e-5) -> float:
    """methods.md section 2, letter by letter."""
    if k < 1500:
        return 1e-4 + (peak - 1e-4) * k / 1500
    return max(floor, peak * 0.75 ** (50 * math.floor((k - 1500) / 50) / 1000))


# Hand-computed values -------------------------------------------------------------------------------------------------


def test_the_papers_schedule() -> None:
    found = [lr for (lr,) in advance(WarmupExponentialDecay(optimizer()), 30_000)]
    assert {k: found[k] for k in NUMBERS} == pytest.approx(NUMBERS, rel=1e-9)
    assert found == pytest.approx([closed_form(k) for k in range(30_000)], rel=1e-12)
    assert found[1550] / found[1549] == pytest.approx(0.985719, rel=1e-6)


@pytest.mark.parametrize(("floor", "reached"), [(5e-5, 19_950), (1e-5, 25_550)])
def test_where_the_floor_is_reached(floor: float, reached: int) -> None:
    late = optimizer()
    late.param_groups[0]["initial_lr"] = 1e-2
    (before,), (at,), (after,) = advance(WarmupExponentialDecay(late, floor=floor, last_epoch=reached - 2), 3)
    assert floor * 1.001 < before < floor / 0.98
    assert (at, after) == (floor, floor)


def test_another_schedule_by_hand() -> None:
    scheduler = WarmupExponentialDecay(optimizer(1.0), start=0.0, warmup=2, rate=0.25, period=4, every=2, floor=0.125)
    assert advance(scheduler, 10) == [[v] for v in (0.0, 0.5, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125)]


def test_without_warm_up_the_first_update_has_the_peak() -> None:
    found = advance(WarmupExponentialDecay(optimizer(1e-3), start=1e-2, warmup=0, period=1, every=1), 2)
    assert found == [[1e-3], [pytest.approx(0.75e-3)]]


# Groups and tensors ---------------------------------------------------------------------------------------------------


def test_every_group_has_its_peak() -> None:
    found = advance(WarmupExponentialDecay(optimizer(1e-2, 1e-3)), 2501)
    for k in (0, 700, 1500, 2500):
        assert found[k] == pytest.approx([closed_form(k), closed_form(k, peak=1e-3)], rel=1e-12)


def test_a_tensor_is_filled_in_place() -> None:
    rate = torch.tensor(1e-2, dtype=torch.float64)
    scheduler = WarmupExponentialDecay(optimizer(rate), warmup=10)
    (group,) = scheduler.optimizer.param_groups
    assert group["lr"] is rate  # a captured graph reads this memory
    assert rate.item() == pytest.approx(1e-4)
    advance(scheduler, 10)
    assert group["lr"] is rate
    assert rate.item() == pytest.approx(1e-2)
    assert [type(peak) for peak in scheduler.base_lrs] == [float]


def test_our_optimizer_takes_it() -> None:
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    ours = AutoAdamW([w], lr=1.0, weight_decay=0.0, eps=1e-30)
    scheduler = WarmupExponentialDecay(ours, start=0.25, warmup=3, floor=0.0)
    path = []
    for _ in range(3):
        w.jac = torch.ones(1, 1, dtype=torch.float64)  # type: ignore[attr-defined]  # Adam's update is the sign
        ours.step()
        scheduler.step()
        path.append(w.item())
    assert path == pytest.approx([-0.25, -0.75, -1.5])


# Lifecycle ------------------------------------------------------------------------------------------------------------


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


@pytest.mark.parametrize("tensor", [False, True])
@pytest.mark.parametrize("at", [3, 60, 900])
def test_resume_equals_uninterrupted(at: int, tensor: bool) -> None:
    def peaks() -> list[Any]:
        return [torch.tensor(v, dtype=torch.float64) if tensor else v for v in (1e-2, 1e-3)]

    options: dict[str, Any] = {"warmup": 50, "period": 200}
    whole = advance(WarmupExponentialDecay(optimizer(*peaks()), **options), 1000)
    first = WarmupExponentialDecay(optimizer(*peaks()), **options)
    before = advance(first, at)
    saved = through_a_file({"optimizer": first.optimizer.state_dict(), "scheduler": first.state_dict()})
    fresh = WarmupExponentialDecay(optimizer(*peaks()), **options)
    fresh.optimizer.load_state_dict(saved["optimizer"])
    fresh.load_state_dict(saved["scheduler"])
    assert before + advance(fresh, 1000 - at) == whole


def test_a_schedule_goes_on_from_a_number() -> None:
    """``last_epoch`` is the number of the last update; the peak is the group's ``initial_lr``, not what it has now."""
    resumed = optimizer(1e-6)
    resumed.param_groups[0]["initial_lr"] = 1e-2
    scheduler = WarmupExponentialDecay(resumed, last_epoch=1999)
    assert rates(scheduler) == pytest.approx([closed_form(2000)])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))], ids=["deepcopy", "pickle"])
def test_copies_go_on_by_themselves(copied: Any) -> None:
    scheduler = WarmupExponentialDecay(optimizer(1e-2, 1e-3), warmup=10)
    advance(scheduler, 5)
    twin = copied(scheduler)
    assert twin.optimizer is not scheduler.optimizer
    assert twin.state_dict() == scheduler.state_dict()
    before = rates(scheduler)
    twin.step()
    assert rates(twin) != before
    assert rates(scheduler) == before


def test_stepping_it_before_the_optimizer_warns() -> None:
    scheduler = WarmupExponentialDecay(optimizer())
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()


# torch's own schedules ------------------------------------------------------------------------------------------------


SCHEDULERS: dict[str, Callable[[torch.optim.Optimizer], Any]] = {
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda k: 1 / (k + 1)),
    "multiplicative": lambda o: lr_scheduler.MultiplicativeLR(o, lambda _k: 0.9),
    "step": lambda o: lr_scheduler.StepLR(o, 2, 0.5),
    "multi_step": lambda o: lr_scheduler.MultiStepLR(o, [1, 3]),
    "constant": lambda o: lr_scheduler.ConstantLR(o, 0.5, 3),
    "linear": lambda o: lr_scheduler.LinearLR(o, 0.1, total_iters=4),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, 0.8),
    "polynomial": lambda o: lr_scheduler.PolynomialLR(o, 5, 2.0),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 5),
    "restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
    "one_cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=10),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=2, cycle_momentum=False),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0),
    "sequential": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1), lr_scheduler.ExponentialLR(o, 0.5)], [2]
    ),
    "chained": lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.LinearLR(o), lr_scheduler.ExponentialLR(o, 0.9)]),
}


@pytest.mark.parametrize("schedule", SCHEDULERS.values(), ids=SCHEDULERS)
def test_torch_schedules_act_as_on_adamw(schedule: Callable[[torch.optim.Optimizer], Any]) -> None:
    """One term is AdamW; OneCycleLR moves the betas, too."""
    w, v = parameter(1.0, -2.0), parameter(1.0, -2.0)
    ours, torchs = AutoAdamW([w], lr=0.1, weight_decay=0.1), torch.optim.AdamW([v], lr=0.1, weight_decay=0.1)
    schedules = schedule(ours), schedule(torchs)
    for k in range(8):
        gradient = torch.tensor([1.0 + k, -3.0], dtype=torch.float64)
        w.jac, v.grad = gradient[None], gradient  # type: ignore[attr-defined]
        ours.step()
        torchs.step()
        for s in schedules:
            s.step(*([1.0] if isinstance(s, lr_scheduler.ReduceLROnPlateau) else []))
    assert ours.param_groups[0]["lr"] == torchs.param_groups[0]["lr"]
    assert_close(w, v, rtol=1e-14, atol=1e-14)


# Bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "number", "rule"),
    [
        ("start", -1e-4, "finite and >= 0"),
        ("warmup", -1, "finite and >= 0"),
        ("floor", -1e-5, "finite and >= 0"),
        ("floor", math.nan, "finite and >= 0"),
        ("period", 0, "finite and >= 1"),
        ("every", 0, "finite and >= 1"),
        ("every", -50, "finite and >= 1"),
        ("rate", 0.0, r"in \(0, 1\]"),
        ("rate", -0.75, r"in \(0, 1\]"),
        ("rate", 1.5, r"in \(0, 1\]"),
        ("rate", math.nan, r"in \(0, 1\]"),
    ],
)
def test_a_number_out_of_its_range_is_refused(name: str, number: float, rule: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be {rule}, got {number}"):
        WarmupExponentialDecay(optimizer(), **{name: number})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["start", "floor"])
def test_a_number_above_the_least_peak_is_refused(name: str) -> None:
    """It would raise the rate of the second group above what the user gave."""
    torn = optimizer(1e-2, 1e-3)
    with pytest.raises(
        ValueError, match=f"`{name}` must be <= .* the peak 0.001, got 0.002. Lower `{name}` or raise `lr`"
    ):
        WarmupExponentialDecay(torn, **{name: 2e-3})  # type: ignore[arg-type]
    assert [group["lr"] for group in torn.param_groups] == [1e-2, 1e-3]  # untouched


@pytest.mark.parametrize("name", ["start", "floor"])
@pytest.mark.parametrize("rate", [1e-4, torch.tensor(1e-4)], ids=["float", "float32"])
def test_a_number_equal_to_the_peak_is_allowed(name: str, rate: float | Tensor) -> None:
    """A float32 tensor holds 1e-4 as a little less."""
    scheduler = WarmupExponentialDecay(optimizer(rate), **{name: 1e-4})  # type: ignore[arg-type]
    assert rates(scheduler) == pytest.approx([1e-4])
