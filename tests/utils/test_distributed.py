"""Rows of a process, and their way back; in a single process, and as if there were three."""

import pytest
import torch

from lightning_autobalance.utils import distributed


def test_a_single_process_owns_all() -> None:
    x = torch.arange(6.0)
    assert (distributed.rank(), distributed.world_size()) == (0, 1)
    for function in (
        distributed.own_rows,
        distributed.gather_rows,
        distributed.sum_over_ranks,
        distributed.max_over_ranks,
    ):
        assert function(x) is x


def test_a_single_process_asks_nothing_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed.dist, "get_world_size", lambda: 2)
    assert distributed.world_size() == 2
    with distributed.single_process():
        x = torch.ones(3)
        assert distributed.world_size() == 1
        assert distributed.sum_over_ranks(x) is x
    assert distributed.world_size() == 2


@pytest.mark.parametrize(("rank", "expected"), [(0, [0, 3, 6]), (1, [1, 4]), (2, [2, 5])])
def test_rows_of_one_of_three(rank: int, expected: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "rank", lambda: rank)
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    x = torch.arange(7)
    assert distributed.own_rows(x).tolist() == expected
    assert distributed.own_rows(torch.stack([x, x]), axis=1).tolist() == [expected, expected]
