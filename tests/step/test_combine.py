"""Finiteness, clipping and the way from terms to one gradient, by hand."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from helpers.balancing import view_of
from lightning_autobalance import gradients
from lightning_autobalance.balancing import Aggregator, EqualWeights, StepView, Weighting

TERMS = ("a", "b")


def blocks() -> list[Tensor | None]:
    return [torch.tensor([[3.0, 0.0], [0.1, 0.0]]), None, torch.tensor([[[4.0]], [[0.0]]])]


def test_finite() -> None:
    assert gradients.are_finite(torch.ones(2), blocks())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_first_bad_term_is_named(bad: float) -> None:
    values, found = torch.tensor([1.0, bad]), blocks()
    assert not gradients.are_finite(values, found)
    error = gradients.non_finite_error(TERMS, values, found, step=7, lr=0.1)
    assert "The loss of loss term `b` must be finite at step 7 (lr 0.1)" in str(error)
    found[0][0, 1] = bad
    assert not gradients.are_finite(torch.ones(2), found)
    error = gradients.non_finite_error(TERMS, torch.ones(2), found, step=7, lr=0.1)
    assert "The gradient of loss term `a`" in str(error)


def test_clipping_scales_each_term_by_its_norm_over_all_parameters() -> None:
    first, none, third = gradients.clipped(blocks(), 1.0)
    torch.testing.assert_close(first, torch.tensor([[0.6, 0.0], [0.1, 0.0]]))
    assert none is None
    torch.testing.assert_close(third, torch.tensor([[[0.8]], [[0.0]]]))


def test_clipping_leaves_zero_gradients_zero() -> None:
    (zero,) = gradients.clipped([torch.zeros(2, 3)], 1.0)
    assert torch.equal(zero, torch.zeros(2, 3))


def on_params() -> list[nn.Parameter]:
    params = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(1, 1))]
    gradients.put(params, blocks())
    return params


def view(params: list[nn.Parameter], losses: list[float] | None = None) -> StepView:
    jacobian = gradients.taken(params)
    found = view_of(jacobian, losses)
    return replace(found, jacobian=jacobian, losses=found.losses.float())


def test_put_combine_and_forget() -> None:
    params = on_params()
    gradients.balance(EqualWeights(), params, view(params), pre_combine=True)
    torch.testing.assert_close(params[0].grad, torch.tensor([3.1, 0.0]))
    assert params[1].grad is None
    torch.testing.assert_close(params[2].grad, torch.tensor([[4.0]]))
    gradients.forget(params)
    assert all(p.grad is None and not hasattr(p, "jac") for p in params)


def test_a_weighting_before_a_post_combine_optimizer_scales_the_rows() -> None:
    class Doubles(Weighting):
        def forward(self, view: StepView) -> Tensor:
            return torch.tensor([1.0, 2.0])

    params = on_params()
    gradients.balance(Doubles(), params, view(params), pre_combine=False)
    torch.testing.assert_close(params[0].jac, torch.tensor([[3.0, 0.0], [0.2, 0.0]]))
    torch.testing.assert_close(params[2].jac, torch.tensor([[[4.0]], [[0.0]]]))
    assert params[0].grad is None


def test_an_aggregator_of_log_losses_gets_their_gradients() -> None:
    class Sums(Aggregator):
        of_log_losses = True

        def forward(self, jacobian: Tensor) -> Tensor:
            return jacobian.sum(dim=0)

    params = on_params()
    gradients.balance(Sums(), params, view(params, [2.0, 0.5]), pre_combine=True)
    torch.testing.assert_close(params[0].grad, torch.tensor([1.5 + 0.2, 0.0]))


def test_spread() -> None:
    params = [torch.zeros(2), torch.zeros(3), torch.zeros(1)]
    block = torch.tensor([[1.0, 2.0]])
    whole, zeros, none = gradients.spread([block, None, None], [1], 3, params, [True, True, False])
    assert whole is not None
    assert whole.tolist() == [[0, 0], [1, 2], [0, 0]]
    assert zeros is not None
    assert torch.equal(zeros, torch.zeros(3, 3))  # a term that is not asked for reaches it
    assert none is None


def test_clipping_counts_a_single_number_as_parameter() -> None:
    alone, (scalar, vector) = torch.tensor([3.0, 0.0]), (torch.tensor([3.0, 0.0]), torch.tensor([[4.0], [0.5]]))
    torch.testing.assert_close(gradients.clipped([alone], 1.5)[0], torch.tensor([1.5, 0.0]))
    first, second = gradients.clipped([scalar, vector], 1.0)
    torch.testing.assert_close(first, torch.tensor([0.6, 0.0]))
    torch.testing.assert_close(second, torch.tensor([[0.8], [0.5]]))
