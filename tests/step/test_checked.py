"""The check of a step whole: what a balancer makes, and the state it goes back to."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from lightning_autobalance.balancing import DBMTL, Aggregator, Balancer, GradNorm, MConFIG, PCGrad, Weighting
from lightning_autobalance.balancing.base import StepView
from lightning_autobalance.step.checked import combine_if_finite, remember
from lightning_autobalance.step.combine import Combined, combine_terms
from lightning_autobalance.step.finite import FiniteCheck, NonFiniteError
from lightning_autobalance.step.term_gradients import TermGradients


class PutsNaN(Aggregator):
    """Makes a bad number of good ones."""

    def __init__(self, bad: float) -> None:
        super().__init__()
        self.bad = bad

    def forward(self, jacobian: Tensor) -> Tensor:
        return torch.cat([jacobian[0, :-1], torch.tensor([self.bad])])


class SpoilsWeights(Weighting):
    """A weight that is not finite."""

    def forward(self, view: StepView) -> Tensor:
        return torch.tensor([1.0, math.inf])


class Raises(Aggregator):
    """Can do nothing at all."""

    def forward(self, jacobian: Tensor) -> Tensor:
        raise RuntimeError("no eigenvalues")


def gradients(entry: float = 0.5) -> TermGradients:
    blocks = [torch.tensor([[3.0, entry], [0.1, 0.0]]), None, torch.tensor([[[4.0]], [[0.2]]])]
    return TermGradients(("a", "b"), torch.tensor([1.0, 2.0]), blocks)


def step(
    balancer: Balancer | None, found: TermGradients, limit: int = 0, *, pre_combine: bool = True
) -> Combined | None:
    combine = partial(
        combine_terms, found, balancer, step=7, weights={}, ntk=lambda: torch.ones(2), pre_combine=pre_combine
    )
    return combine_if_finite(combine, found, balancer, FiniteCheck(limit), step=7, lr=0.1, hint=lambda: "The end.")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_balancer_is_named(bad: float) -> None:
    said = r"The direction of `PutsNaN` must be finite at step 7 \(lr 0\.1\), got 1 of 3 numbers .* norms \{'a': 5\.0"
    with pytest.raises(NonFiniteError, match=said):
        step(PutsNaN(bad), gradients())


def test_a_direction_whose_square_is_infinite_is_not_finite() -> None:
    with pytest.raises(NonFiniteError, match=r"direction of `PutsNaN` .* got numbers of infinite square .* The end\."):
        step(PutsNaN(1e30), gradients())


@pytest.mark.parametrize("pre_combine", [True, False])
def test_weights_are_checked_by_what_they_make(pre_combine: bool) -> None:
    with pytest.raises(NonFiniteError, match=r"direction of `SpoilsWeights`"):
        step(SpoilsWeights(), gradients(), pre_combine=pre_combine)


@pytest.mark.parametrize("balancer", [PutsNaN(math.nan), Raises(), None])
def test_gradients_are_to_blame_first(balancer: Balancer | None) -> None:
    with pytest.raises(NonFiniteError, match="The gradient of loss term `a` must be finite"):
        step(balancer, gradients(math.nan))


def test_a_balancer_that_fails_on_finite_gradients_says_so_itself() -> None:
    with pytest.raises(RuntimeError, match="no eigenvalues"):
        step(Raises(), gradients())


@pytest.mark.parametrize("make", [DBMTL, MConFIG, GradNorm, partial(GradNorm, optimizer="adam"), PCGrad])
def test_a_skipped_step_leaves_the_balancer_as_it_was(make: type[Balancer]) -> None:
    skips, never = make(), make()
    for k in range(6):
        found, expected = step(skips, gradients(k + 0.5)), step(never, gradients(k + 0.5))
        assert found is not None
        assert expected is not None
        for a, b in zip(found.gradients, expected.gradients, strict=True):
            assert a is b is None or torch.equal(a, b)  # type: ignore[arg-type]
        with pytest.warns(UserWarning, match="Step 7 is skipped"):
            assert step(skips, gradients(math.nan), limit=1) is None


def test_an_error_leaves_the_balancer_as_it_was() -> None:
    balancer = DBMTL()
    step(balancer, gradients())
    before = balancer.average.clone()
    with pytest.raises(NonFiniteError):
        step(balancer, gradients(math.nan))
    assert torch.equal(balancer.average, before)
    assert balancer.get_extra_state()["calls"] == 1


def test_nothing_to_remember() -> None:
    remember(None)()
