"""What kinds of weightings share, each shown on the simplest one."""

from typing import Any, final

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from helpers.balancing import view_of
from lightning_autobalance.balancing import (
    DWA,
    IMTLL,
    NTK,
    GradNorm,
    JaxpiGradNorm,
    LearningRateAnnealing,
    ReLoBRaLo,
    SoftAdapt,
    StepView,
    UncertaintyWeighting,
    Weighting,
)
from lightning_autobalance.balancing.weightings.base import (
    LearnedWeighting,
    PeriodicWeighting,
    SeededWeighting,
    ratio,
    softmax_weights,
)

ROWS = [[1.0], [1.0]]
INF, NAN = float("inf"), float("nan")


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@final
class LossesThemselves(PeriodicWeighting):
    """Proposes the losses as weights."""

    def propose(self, view: StepView) -> Tensor:
        return view.losses


@final
class Pulled(LearnedWeighting):
    """Learned numbers that descend a constant gradient, the losses."""

    def weigh(self, learned: Tensor) -> Tensor:
        return learned

    def slope(self, learned: Tensor, view: StepView) -> Tensor:
        return view.losses


@final
class Drawn(SeededWeighting):
    """Uniform random weights."""

    def forward(self, view: StepView) -> Tensor:
        return torch.from_numpy(self.generator(view).random(len(view.losses)))


# Periodic -------------------------------------------------------------------------------------------------------------


def test_weights_are_averaged_every_interval() -> None:
    method = LossesThemselves(interval=2, decay=0.75)
    found = [method(view_of(ROWS, [5.0, 1.0 + step], step)).tolist() for step in range(4)]
    assert found == [[2.0, 1.0]] * 2 + [[2.75, 1.5]] * 2  # 0.75 * 1 + 0.25 * 5, 0.75 * 2 + 0.25 * 5; 0.75 + 0.25 * 3


@pytest.mark.parametrize("bad", [INF, -INF, NAN])
def test_a_weight_that_would_not_be_finite_keeps_its_value(bad: float) -> None:
    method = LossesThemselves(interval=1, decay=0.0)
    method(view_of(ROWS, [2.0, 3.0]))
    assert method(view_of(ROWS, [bad, 4.0], 1)).tolist() == [2.0, 4.0]


# Learned --------------------------------------------------------------------------------------------------------------


def test_learned_numbers_follow_torchs_adam() -> None:
    method, w = Pulled(0.1, start=1.0, low=-9.0, high=9.0), torch.full((2,), 1.0, dtype=torch.float64)
    adam = torch.optim.Adam([w.requires_grad_()], lr=0.1)
    for step in range(5):
        losses = vector(1.0, -2.0) * (step + 1)
        assert_close(method(view_of(ROWS, losses, step)), w.detach())  # the weights before the update
        w.grad = losses
        adam.step()
    assert method.get_extra_state() == {"updates": 5}


def test_learned_numbers_stay_within_their_bounds() -> None:
    method = Pulled(1.0, start=1.0, low=0.5, high=1.25)
    method(view_of(ROWS, [1.0, -1.0]))
    assert method.learned.tolist() == [0.5, 1.25]


def test_a_gradient_that_is_nan_or_infinite_breaks_nothing() -> None:
    method = Pulled(0.1, start=1.0, low=-9.0, high=9.0)
    method(view_of([[1.0]] * 3, [NAN, INF, -INF]))
    assert_close(method.learned, vector(1.0, 0.9, 1.1))


# Seeded ---------------------------------------------------------------------------------------------------------------


def test_draws_depend_on_seed_and_step_alone() -> None:
    expected = np.random.default_rng([7, 3]).random(2).tolist()
    method = Drawn(7)
    assert [method(view_of(ROWS, step=step)).tolist() for step in (3, 0, 3)][::2] == [expected, expected]
    restored = Drawn(0)
    restored.set_extra_state(method.get_extra_state())
    assert restored(view_of(ROWS, step=3)).tolist() == expected


def test_the_seed_is_torchs_by_default() -> None:
    torch.manual_seed(11)
    assert Drawn(None).seed == 11


# Functions ------------------------------------------------------------------------------------------------------------


def test_ratio() -> None:
    found = ratio(vector(1.0, 0.0, NAN, 2.0, 1.0), vector(2.0, 0.0, 1.0, NAN, 0.0))
    assert found.tolist() == [0.5, 1.0, 1.0, 1.0, torch.finfo(torch.float64).max]


def test_softmax_weights_sum_to_the_number_of_terms() -> None:
    assert_close(softmax_weights(vector(0.0, torch.tensor(3.0).log().item())), vector(0.5, 1.5))
    assert_close(softmax_weights(vector(NAN, 0.0, 0.0)), vector(1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("make", "option", "values"),
    [
        (NTK, "interval", [0]),
        (NTK, "decay", [-0.1, 1.0, NAN]),
        (JaxpiGradNorm, "interval", [0]),
        (JaxpiGradNorm, "decay", [-0.1, 1.0, NAN]),
        (LearningRateAnnealing, "interval", [0]),
        (LearningRateAnnealing, "decay", [-0.1, 1.0, NAN]),
        (DWA, "window", [0]),
        (DWA, "temperature", [0.0, INF, NAN]),
        (GradNorm, "alpha", [-1.0, INF, NAN]),
        (GradNorm, "lr", [0.0, INF, NAN]),
        (IMTLL, "lr", [0.0, INF, NAN]),
        (UncertaintyWeighting, "lr", [0.0, INF, NAN]),
        (ReLoBRaLo, "decay", [-0.1, 1.0, NAN]),
        (ReLoBRaLo, "rho", [-0.1, 1.1, NAN]),
        (ReLoBRaLo, "temperature", [0.0, INF, NAN]),
        (SoftAdapt, "beta", [INF, NAN]),
    ],
)
def test_numbers_out_of_range_are_refused(make: type[Weighting], option: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=f"`{option}` must be .*, got {value}"):
            make(**{option: value})
