"""A growing span of time, by hand; what it does not move; the range of its arguments."""

import logging

import pytest
import torch
from torch import Tensor

from helpers.variants import problem
from lightning_autobalance.points import Interval, TimeCylinder
from lightning_autobalance.variants import GrowingTime, StepContext

DOMAIN = TimeCylinder(Interval(0.0, 1.0), (1.0, 3.0))
AT = {
    "interior": torch.tensor([[0.3, 1.0], [0.4, 2.0], [0.5, 3.0]], dtype=torch.float64),
    "initial": torch.tensor([[0.3, 1.0]], dtype=torch.float64),
    "data": torch.tensor([[0.3, 3.0]], dtype=torch.float64),
}


def placed(step: int, **options: float) -> dict[str, Tensor]:
    variant = GrowingTime(**options)  # type: ignore[arg-type]
    variant.prepare(problem(DOMAIN, None))
    variant.begin(StepContext(step, lambda points: {}), AT)
    found = variant.place(AT)
    assert variant.numbers()["time_span"].item() == pytest.approx((found["interior"][2, 1].item() - 1) / 2)
    return found


@pytest.mark.parametrize(("step", "end"), [(0, 1.5), (10, 1.5), (14, 2.1), (20, 3.0), (100, 3.0)])
def test_by_hand(step: int, end: float) -> None:
    found = placed(step, start=0.25, begin=10, steps=10)
    expected = torch.tensor([1.0, (1 + end) / 2, end], dtype=torch.float64)
    torch.testing.assert_close(found["interior"][:, 1], expected)
    assert torch.equal(found["interior"][:, 0], AT["interior"][:, 0])


def test_the_start_and_measurements_stay() -> None:
    found = placed(0, start=0.1)
    assert torch.equal(found["initial"], AT["initial"])
    assert torch.equal(found["data"], AT["data"])


@pytest.mark.parametrize(("steps", "told"), [(40, False), (50, True)])
def test_a_run_too_short_for_the_whole_span_is_told(
    steps: int, told: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)
    with caplog.at_level(logging.INFO):
        GrowingTime(begin=60, steps=steps).prepare(problem(DOMAIN, 100))
    assert (f"`trainer.max_steps`, 100, for the span to be whole, got 60 and {steps}" in caplog.text) == told


@pytest.mark.parametrize("bad", [{"start": 0.0}, {"start": 1.5}, {"begin": -1}, {"steps": 0}])
def test_ranges(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(bad))}` must"):
        GrowingTime(**bad)  # type: ignore[arg-type]
