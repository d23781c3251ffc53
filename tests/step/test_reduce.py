"""Stage 3 by hand: shares of two processes, put together; `test_distributed` has the processes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from lightning_autobalance.step import reduce
from lightning_autobalance.step.term_gradients import TermGradients

SHARES = [  # of two processes: the gradients of a number, of a parameter that no term reaches, and of a matrix
    TermGradients(("a", "b"), torch.tensor([1.0, 4.0]), [torch.tensor([1.0, 2.0]), None, torch.ones(2, 2, 3)], [3, 1]),
    TermGradients(("a", "b"), torch.tensor([5.0, 0.0]), [torch.tensor([5.0, 6.0]), None, torch.zeros(2, 2, 3)], [1, 1]),
]


def put_together(monkeypatch: pytest.MonkeyPatch, *shares: TermGradients, stop: Sequence[bool]) -> Any:
    """What the first process gets when each sends its share."""
    sent: list[torch.Tensor] = []
    monkeypatch.setattr(reduce, "world_size", lambda: len(shares))
    monkeypatch.setattr(reduce, "sum_over_ranks", lambda bucket: sent.append(bucket) or bucket)
    for share, wants in zip(shares, stop, strict=True):
        reduce.reduce_over_ranks(share, stop=wants)
    monkeypatch.setattr(reduce, "sum_over_ranks", lambda _: torch.stack(sent).sum(dim=0))
    return reduce.reduce_over_ranks(shares[0], stop=stop[0])


def test_means_are_weighted_by_counts_for_parameters_of_any_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = put_together(monkeypatch, *SHARES, stop=[False, False])
    number, unreached, matrix = result.blocks
    assert result.terms == ("a", "b")
    torch.testing.assert_close(result.losses, torch.tensor([2.0, 2.0]))
    torch.testing.assert_close(result.counts, torch.tensor([4.0, 2.0]))
    torch.testing.assert_close(number, torch.tensor([2.0, 4.0]))
    assert unreached is None
    torch.testing.assert_close(matrix, torch.stack([torch.full((2, 3), 0.75), torch.full((2, 3), 0.5)]))


def empty(share: TermGradients, term: int) -> TermGradients:
    """The share of a process without points of one term: means over nothing."""
    losses, counts = share.losses.clone(), list(share.counts)
    blocks = [block if block is None else block.clone() for block in share.blocks]
    losses[term], counts[term] = torch.nan, 0
    for block in blocks:
        if block is not None:
            block[term] = torch.nan
    return replace(share, losses=losses, blocks=blocks, counts=counts)


def test_a_process_without_points_of_a_term_adds_nothing_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = put_together(monkeypatch, empty(SHARES[0], 1), SHARES[1], stop=[False, False])
    torch.testing.assert_close(result.losses, torch.tensor([2.0, 0.0]))
    torch.testing.assert_close(result.blocks[0], torch.tensor([2.0, 6.0]))
    torch.testing.assert_close(result.blocks[2], torch.stack([torch.full((2, 3), 0.75), torch.zeros(2, 3)]))


def test_what_is_not_finite_elsewhere_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(SHARES[0], losses=torch.tensor([torch.nan, 4.0]))
    assert put_together(monkeypatch, broken, SHARES[1], stop=[False, False])[0].losses.isnan().tolist() == [True, False]
    nowhere = put_together(monkeypatch, empty(SHARES[0], 0), empty(SHARES[1], 0), stop=[False, False])[0]
    assert nowhere.losses.isnan().tolist() == [True, False]  # as of one process without any point


@pytest.mark.parametrize(
    "stop", [(False, False, False), (True, False, False), (False, False, True), (True, True, True)]
)
def test_one_that_wants_to_stop_is_heard_by_all(stop: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    shares = (SHARES[0], SHARES[1], empty(SHARES[1], 0))
    assert bool(put_together(monkeypatch, *shares, stop=stop)[1]) == any(stop)


def test_a_single_process_has_all() -> None:
    assert reduce.reduce_over_ranks(SHARES[0])[0] is SHARES[0]
    assert reduce.reduce_over_ranks(SHARES[0])[1] is False
