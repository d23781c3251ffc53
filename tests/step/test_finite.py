"""Stage 4 by hand: what passes, what stops, what is skipped and counted."""

import math
import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch

from lightning_autobalance.step.finite import (
    FiniteCheck,
    NonFiniteError,
    are_finite,
    check_finite_weights,
    non_finite_error,
)
from lightning_autobalance.step.term_gradients import TermGradients


def found(loss: float = 1.0, entry: float = 0.0) -> TermGradients:
    """Terms a and b, with one number of the gradient of a and the loss of b given."""
    blocks = [torch.tensor([[3.0, entry], [0.1, 0.0]]), None, torch.tensor([[[4.0]], [[0.0]]])]
    return TermGradients(("a", "b"), torch.tensor([1.0, loss]), blocks)


def passes(check: FiniteCheck, gradients: TermGradients, lr: float = 0.1) -> bool:
    return check.passes(gradients, step=7, lr=lr, hint=lambda: "There is no checkpoint yet.")


BAD = [math.nan, math.inf, -math.inf]


def test_finite() -> None:
    assert are_finite(found())
    assert passes(FiniteCheck(0), found())


@pytest.mark.parametrize("bad", BAD)
def test_the_first_bad_term_is_named(bad: float) -> None:
    assert not are_finite(found(loss=bad))
    error = non_finite_error(found(loss=bad), step=7, lr=0.1)
    assert "The loss of loss term `b` must be finite at step 7 (lr 0.1)" in str(error)
    assert not are_finite(found(entry=bad))
    assert "The gradient of loss term `a`" in str(non_finite_error(found(loss=bad, entry=bad), step=7, lr=0.1))


@pytest.mark.parametrize("counts", [[3, 0], torch.tensor([3.0, 0.0])], ids=["one process", "several"])
def test_a_term_without_rows_is_said_to_have_none(counts: Any) -> None:
    error = non_finite_error(replace(found(loss=math.nan), counts=counts), step=7, lr=0.1)
    assert "The residual of loss term `b` must have rows at step 7, got none" in str(error)
    of_others = non_finite_error(replace(found(entry=math.nan), counts=counts), step=7, lr=0.1)
    assert "The gradient of loss term `a`" in str(of_others)


def test_a_gradient_whose_square_is_infinite_is_not_finite() -> None:
    assert not are_finite(found(entry=1e30))
    assert "The square of the gradient of loss term `a`" in str(non_finite_error(found(entry=1e30), step=7, lr=0.1))


def test_finite_numbers_with_an_infinite_sum_name_all_terms() -> None:
    large = TermGradients(("a", "b"), torch.tensor([3e38, 3e38]), [torch.zeros(2, 1)])
    assert not are_finite(large)
    assert "The sum of losses and gradients of loss term `a, b`" in str(non_finite_error(large, step=7, lr=0.1))


def test_it_stops_at_the_first_with_the_last_checkpoint() -> None:
    with pytest.raises(NonFiniteError, match=r"`b` must be finite at step 7 .* There is no checkpoint yet\."):
        passes(FiniteCheck(0), found(loss=math.nan))


def test_it_skips_warns_once_and_counts() -> None:
    check = FiniteCheck(2)
    with pytest.warns(UserWarning, match="Step 7 is skipped, as others will be that are like it"):
        assert not passes(check, found(loss=math.nan))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not passes(check, found(loss=math.nan))
        assert passes(check, found())  # the count in a row begins anew
        assert not passes(check, found(loss=math.nan))
    assert check.state_dict() == {"skipped": 3, "in_a_row": 1}
    resumed = FiniteCheck(2)
    resumed.load_state_dict(check.state_dict())
    assert not passes(resumed, found(loss=math.nan))
    with pytest.raises(NonFiniteError, match="2 steps before it were skipped"):
        passes(resumed, found(loss=math.nan))


@pytest.mark.parametrize("lr", BAD)
def test_a_learning_rate_that_is_not_finite_stops(lr: float) -> None:
    with pytest.raises(NonFiniteError, match=r"`lr` must be finite, got .* at step 7\. Look at the schedule"):
        passes(FiniteCheck(5), found(), lr=lr)


def test_weights_and_buffers_are_named() -> None:
    good = {"w": torch.ones(2), "count": torch.tensor([2**40]), "empty": torch.empty(0)}
    check_finite_weights(good, 3)
    check_finite_weights({}, 3)
    check_finite_weights({"large": torch.full((2,), 1e30)}, 3)  # its square is infinite, it is not
    with pytest.raises(NonFiniteError, match=r"NaN or infinite numbers in \['b', 'c'\] after step 3"):
        check_finite_weights(good | {"b": torch.tensor([math.nan]), "c": torch.tensor(math.inf)}, 3)
