"""Means over Gram matrices, by hand."""

import math

import pytest
import torch
from torch.testing import assert_close

from lightning_autobalance.callbacks.balance_statistics import BalanceStatistics


def gram(*vectors: list[float]) -> torch.Tensor:
    rows = torch.tensor(vectors, dtype=torch.float64)
    return rows @ rows.T


def test_two_matrices_by_hand() -> None:
    statistics = BalanceStatistics()
    statistics.add(gram([1.0, 0.0], [3.0, 4.0]))  # norms 1 and 5, cosine 3/5
    statistics.add(gram([4.0, 0.0], [-1.0, 0.0]))  # norms 4 and 1, cosine -1
    assert statistics.count == 2
    assert_close(statistics.norms, [2.0, math.sqrt(5.0)])
    assert_close(statistics.cosines, [[1.0, -0.2], [-0.2, 1.0]])
    assert_close(statistics.conflicts, [[0.0, 0.5], [0.5, 0.0]])


def test_a_zero_vector_conflicts_with_nobody() -> None:
    statistics = BalanceStatistics()
    statistics.add(gram([0.0, 0.0], [-1.0, 1.0]))
    assert statistics.cosines[0][1] == 0.0
    assert statistics.conflicts[0][1] == 0.0


def test_nothing_is_read_before_something_was_added() -> None:
    with pytest.raises(RuntimeError, match="must have seen a matrix before it is read"):
        _ = BalanceStatistics().norms


def test_it_goes_on_from_its_state() -> None:
    whole, part = BalanceStatistics(), BalanceStatistics()
    matrices = [gram([1.0, 2.0], [k, -1.0]) for k in range(4)]
    for matrix in matrices:
        whole.add(matrix)
    for matrix in matrices[:2]:
        part.add(matrix)
    resumed = BalanceStatistics()
    resumed.load_state_dict(part.state_dict())
    for matrix in matrices[2:]:
        resumed.add(matrix)
    assert (resumed.count, resumed.norms, resumed.cosines) == (whole.count, whole.norms, whole.cosines)


def test_an_empty_state_is_loaded() -> None:
    statistics = BalanceStatistics()
    statistics.load_state_dict(BalanceStatistics().state_dict())
    statistics.add(gram([2.0]))
    assert_close(statistics.norms, [2.0])
