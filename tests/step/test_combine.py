"""Stage 5 by hand: clipping, weightings, aggregators, and the way back to the parameters."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_autobalance.balancing import DBMTL, MGDA, Aggregator, Balancer, EqualWeights, StepView, Weighting
from lightning_autobalance.step.combine import Combined, clip, combine_terms, split, unbalanced
from lightning_autobalance.step.finite import are_finite
from lightning_autobalance.step.term_gradients import ChangedTermsError, TermGradients


def found(losses: list[float] | None = None) -> TermGradients:
    """Two terms; a vector, a parameter that no term reaches, and a matrix."""
    blocks = [torch.tensor([[3.0, 0.0], [0.1, 0.0]]), None, torch.tensor([[[4.0]], [[0.0]]])]
    return TermGradients(("a", "b"), torch.tensor(losses or [1.0, 1.0]), blocks)


def combined(balancer: Any, *, pre_combine: bool = True, weights: dict[str, float] | None = None) -> Combined:
    return combine_terms(
        found([2.0, 0.5]),
        balancer,
        step=7,
        weights=weights or {},
        ntk=lambda: torch.tensor([5.0, 6.0]),
        pre_combine=pre_combine,
    )


class Looks(Weighting):
    """Keeps what it was shown."""

    def forward(self, view: StepView) -> Tensor:
        self.view = view
        return torch.tensor([1.0, 2.0])


class SumOfLogs(Aggregator):
    """The gradient of the sum of the losses' logarithms."""

    of_log_losses = True

    def forward(self, jacobian: Tensor) -> Tensor:
        return jacobian.sum(dim=0)


def test_clipping_scales_each_term_by_its_norm_over_all_parameters() -> None:
    first, none, third = clip(found(), 1.0).blocks
    torch.testing.assert_close(first, torch.tensor([[0.6, 0.0], [0.1, 0.0]]))  # of (3, 4) and (0.1, 0)
    assert none is None
    torch.testing.assert_close(third, torch.tensor([[[0.8]], [[0.0]]]))


def test_clipping_leaves_zero_gradients_zero() -> None:
    zero = TermGradients(("a", "b"), torch.zeros(2), [torch.zeros(2, 3)])
    assert torch.equal(clip(zero, 1.0).jacobian(), torch.zeros(2, 3))


def test_clipping_counts_a_single_number_as_parameter() -> None:
    scalar, vector = torch.tensor([3.0, 0.0]), torch.tensor([[4.0], [0.5]])
    (only,) = clip(TermGradients(("a", "b"), torch.ones(2), [scalar]), 1.5).blocks
    torch.testing.assert_close(only, torch.tensor([1.5, 0.0]))
    first, second = clip(TermGradients(("a", "b"), torch.ones(2), [scalar, vector]), 1.0).blocks
    torch.testing.assert_close(first, torch.tensor([0.6, 0.0]))
    torch.testing.assert_close(second, torch.tensor([[0.8], [0.5]]))


@pytest.mark.parametrize(
    ("size", "dtype"), [(1e20, torch.float32), (1e37, torch.float32), (1e200, torch.float64), (1e300, torch.float64)]
)
def test_a_gradient_whose_square_is_infinite_is_clipped(size: float, dtype: torch.dtype) -> None:
    blocks = [size * torch.tensor([[3.0], [0.0]], dtype=dtype), size * torch.tensor([[4.0], [0.0]], dtype=dtype)]
    found = clip(TermGradients(("a", "b"), torch.ones(2), blocks), 1.0)
    torch.testing.assert_close(found.jacobian(), torch.tensor([[0.6, 0.8], [0.0, 0.0]], dtype=dtype))
    assert are_finite(found)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_clipping_makes_nothing_finite_that_is_not(bad: float) -> None:
    found = clip(TermGradients(("a", "b"), torch.ones(2), [torch.tensor([[1.0, bad], [1.0, 1.0]])]), 1.0)
    assert not are_finite(found)
    assert found.jacobian()[1].isfinite().all()


def test_clipping_makes_no_gradient_zero() -> None:
    huge = torch.full((1, 4), 1.7e308, dtype=torch.float64)  # its norm is infinite
    assert clip(TermGradients(("a",), torch.ones(1), [huge]), 1.0).jacobian().isnan().all()
    large = torch.full((1, 4), 1e38)  # the factor is 0 in float32
    assert clip(TermGradients(("a",), torch.ones(1), [large]), 1e-9).jacobian().isnan().all()


def test_state_of_other_terms_is_refused() -> None:
    balancer = DBMTL()
    options: dict[str, Any] = {"step": 0, "weights": {}, "ntk": lambda: torch.ones(2), "pre_combine": True}
    combine_terms(found(), balancer, **options)
    other = replace(found(), terms=("b", "a"))
    with pytest.raises(ChangedTermsError, match=r"`balancer` keeps .* \['a', 'b'\], got \['b', 'a'\]: .* new DBMTL"):
        combine_terms(other, balancer, **options)
    for stateless in (EqualWeights(), MGDA()):
        combine_terms(found(), stateless, **options)
        combine_terms(other, stateless, **options)


def test_no_limit_clips_nothing() -> None:
    gradients = found()
    assert clip(gradients, None) is gradients


def test_without_a_balancer_rows_stay_and_are_summed_where_one_gradient_is_needed() -> None:
    for result in (unbalanced(found(), pre_combine=True), combined(None)):
        first, none, third = result.gradients
        assert first is not None
        assert third is not None
        assert none is None
        torch.testing.assert_close(first, torch.tensor([3.1, 0.0]))
        torch.testing.assert_close(third, torch.tensor([[4.0]]))
    assert unbalanced(found(), pre_combine=False).gradients == ()


def test_a_weighting_makes_one_gradient() -> None:
    result = combined(Looks())
    first, none, third = result.gradients
    torch.testing.assert_close(first, torch.tensor([3.2, 0.0]))  # 1 * 3 + 2 * 0.1
    assert none is None
    torch.testing.assert_close(third, torch.tensor([[4.0]]))
    torch.testing.assert_close(result.blocks[0], found().blocks[0])  # for the callbacks


def test_a_weighting_before_a_post_combine_optimizer_scales_the_rows() -> None:
    result = combined(Looks(), pre_combine=False)
    torch.testing.assert_close(result.blocks[0], torch.tensor([[3.0, 0.0], [0.2, 0.0]]))
    torch.testing.assert_close(result.blocks[2], torch.tensor([[[4.0]], [[0.0]]]))
    assert result.gradients == ()


def test_what_a_balancer_is_shown() -> None:
    balancer = Looks()
    combined(balancer, weights={"b": 10.0})
    view = balancer.view
    assert (view.step, view.terms) == (7, ("a", "b"))
    torch.testing.assert_close(view.losses, torch.tensor([2.0, 5.0]))
    torch.testing.assert_close(view.jacobian, torch.tensor([[3.0, 0.0, 4.0], [0.1, 0.0, 0.0]]))
    torch.testing.assert_close(view.kernels(), torch.tensor([5.0, 6.0]))
    torch.testing.assert_close(balancer.weights, torch.tensor([1.0, 2.0]))  # for the log


def test_equal_weights_are_the_sum() -> None:
    torch.testing.assert_close(combined(EqualWeights()).gradients[0], torch.tensor([3.1, 0.0]))


def test_an_aggregator_of_log_losses_gets_their_gradients() -> None:
    torch.testing.assert_close(combined(SumOfLogs()).gradients[0], torch.tensor([1.5 + 0.2, 0.0]))


def test_anything_else_is_no_balancer() -> None:
    class Neither(Balancer):
        """Weighs nothing and combines nothing."""

    with pytest.raises(TypeError, match="`balancer` must be a Weighting or an Aggregator, got Neither"):
        combined(Neither())


def test_a_flat_gradient_is_split_by_the_parameters_that_have_a_block() -> None:
    first, none, third = split(torch.tensor([1.0, 2.0, 3.0]), found().blocks)
    assert first is not None
    assert third is not None
    assert (first.tolist(), none, third.tolist()) == ([1.0, 2.0], None, [[3.0]])
