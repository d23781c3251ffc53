"""Stage 3 by hand: shares of two processes, put together; `test_distributed` has the processes."""

import pytest
import torch

from lightning_autobalance.step import reduce
from lightning_autobalance.step.term_gradients import TermGradients

SHARES = [  # of two processes: the gradients of a number, of a parameter that no term reaches, and of a matrix
    TermGradients(("a", "b"), torch.tensor([1.0, 4.0]), [torch.tensor([1.0, 2.0]), None, torch.ones(2, 2, 3)], [3, 1]),
    TermGradients(("a", "b"), torch.tensor([5.0, 0.0]), [torch.tensor([5.0, 6.0]), None, torch.zeros(2, 2, 3)], [1, 1]),
]


def test_means_are_weighted_by_counts_for_parameters_of_any_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[torch.Tensor] = []
    monkeypatch.setattr(reduce, "world_size", lambda: 2)
    monkeypatch.setattr(reduce, "sum_over_ranks", lambda bucket: sent.append(bucket) or bucket)
    for share in SHARES:
        reduce.reduce_over_ranks(share)
    monkeypatch.setattr(reduce, "sum_over_ranks", lambda _: sent[0] + sent[1])
    result = reduce.reduce_over_ranks(SHARES[0])
    number, unreached, matrix = result.blocks
    assert result.terms == ("a", "b")
    torch.testing.assert_close(result.losses, torch.tensor([2.0, 2.0]))
    torch.testing.assert_close(number, torch.tensor([2.0, 4.0]))
    assert unreached is None
    torch.testing.assert_close(matrix, torch.stack([torch.full((2, 3), 0.75), torch.full((2, 3), 0.5)]))


def test_a_single_process_has_all() -> None:
    assert reduce.reduce_over_ranks(SHARES[0]) is SHARES[0]
