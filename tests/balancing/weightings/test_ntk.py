"""Weights from kernels, against numbers worked out by hand."""

from typing import Any

import jaxtyping
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from helpers.balancing import view_of
from lightning_autobalance.balancing import NTK, StepView

MEANS = [2.0, 7.75]  # of kernels with traces 4 and 23.25, over 2 and 3 points


def view(kernels: list[float], step: int = 0) -> StepView:
    return view_of(torch.ones(len(kernels), 2), step=step, kernels=lambda: torch.tensor(kernels, dtype=torch.float64))


@pytest.mark.parametrize(
    ("options", "kernels", "expected"),
    [
        ({}, [4.0, 23.25], [6.8125, 1.1720430108]),  # the paper's traces
        ({}, MEANS, [4.875, 1.2580645161]),
        ({"numerator": "mean"}, MEANS, [2.4375, 0.6290322581]),
        ({"numerator": "mean", "decay": 0.9, "interval": 1000}, MEANS, [1.14375, 0.9629032258]),  # jaxpi
    ],
)
def test_values_by_hand(options: dict[str, Any], kernels: list[float], expected: list[float]) -> None:
    assert_close(NTK(**options)(view(kernels)).tolist(), expected, rtol=0.0, atol=6e-11)


def test_kernels_are_asked_for_at_step_0_and_every_100() -> None:
    method, asked = NTK(), []

    def kernels() -> Tensor:
        asked.append(step)
        return torch.tensor([1.0, 1.0 + step], dtype=torch.float64)

    for step in range(250):
        weights = method(view_of([[1.0], [1.0]], step=step, kernels=kernels))
    assert asked == [0, 100, 200]
    assert_close(weights.tolist(), [202.0, 202.0 / 201.0])


@pytest.mark.parametrize("bad", [0.0, float("nan"), float("inf")])
def test_weights_stay_where_they_would_not_be_finite(bad: float) -> None:
    method = NTK()
    before = method(view([1.0, 3.0]))
    after = method(view([bad, 2.0], step=100))
    assert torch.isfinite(after).all()
    assert after[0] == before[0]
    assert_close(after[1].item(), 1.0 if bad == 0 else before[1].item())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0}, "`interval` must be >= 1, got 0"),
        ({"decay": 1.0}, "`decay` must be >= 0 and < 1, got 1.0"),
        ({"numerator": "max"}, "`numerator` must be 'sum' or 'mean', got 'max'"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it would refuse the name before us
    with pytest.raises(ValueError, match=message):
        NTK(**options)
