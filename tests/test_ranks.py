"""Rows of a process, and their way back; in a single process, and as if there were three."""

import pytest
import torch

from lightning_autobalance import ranks
from lightning_autobalance.reduction import reduced


def test_a_single_process_owns_all() -> None:
    x = torch.arange(6.0)
    assert (ranks.rank(), ranks.world()) == (0, 1)
    for function in (ranks.own, ranks.gathered, ranks.total, ranks.largest, ranks.least):
        assert function(x) is x
    assert ranks.share(6) == 6
    block = torch.ones(2, 3)
    values, (first, none) = reduced(torch.ones(2), [block, None], [4, 5])
    assert first is block
    assert none is None
    assert torch.equal(values, torch.ones(2))


def test_alone_nothing_is_asked_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(ranks.dist, "get_world_size", lambda: 2)
    assert ranks.world() == 2
    with ranks.alone():
        x = torch.ones(3)
        assert ranks.world() == 1
        assert ranks.total(x) is x
    assert ranks.world() == 2


@pytest.mark.parametrize(("rank", "expected"), [(0, [0, 3, 6]), (1, [1, 4]), (2, [2, 5])])
def test_rows_of_one_of_three(rank: int, expected: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "rank", lambda: rank)
    monkeypatch.setattr(ranks, "world", lambda: 3)
    x = torch.arange(7)
    assert ranks.own(x).tolist() == expected
    assert ranks.own(torch.stack([x, x]), axis=1).tolist() == [expected, expected]
    assert ranks.share(7) == len(expected)
