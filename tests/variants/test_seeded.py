"""Random numbers that follow from the seed and a key, however many processes share the rows."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_autobalance.variants import seeded
from lightning_autobalance.variants.seeded import Seeded


class Draws(Seeded):
    """A mixin needs a class."""

    def __init__(self, seed: int | None = 0) -> None:
        super().__init__()
        self._set_seed(seed)


def test_draws_are_numpys_uniform_numbers() -> None:
    found = Draws(seed=5).draws([7, 2], 4, 3)
    expected = np.random.Generator(np.random.PCG64([5, 7, 2])).random((4, 3))
    assert found.dtype == torch.float64
    assert np.array_equal(found.numpy(), expected)


def test_draws_follow_from_seed_and_key() -> None:
    first = Draws().draws([1, 0], 5, 2)
    assert torch.equal(first, Draws().draws([1, 0], 5, 2))
    others = [Draws().draws([2, 0], 5, 2), Draws().draws([1, 1], 5, 2), Draws(seed=1).draws([1, 0], 5, 2)]
    assert not any(torch.equal(first, other) for other in others)


def test_a_longer_draw_begins_with_the_shorter() -> None:
    assert torch.equal(Draws().draws([1], 9, 2)[:5], Draws().draws([1], 5, 2))


@pytest.mark.parametrize(("size", "count"), [(2, 7), (3, 7), (4, 8)])
def test_processes_share_the_rows_of_one(size: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Draws().draws([1], count, 2)

    def of_rank(rank: int) -> Tensor:
        monkeypatch.setattr(seeded, "rank", lambda: rank)
        monkeypatch.setattr(seeded, "world_size", lambda: size)
        return Draws().draws([1], len(range(rank, count, size)), 2)

    for rank in range(size):
        assert torch.equal(of_rank(rank), alone[rank::size])


def test_the_seed_is_that_of_torch_by_default() -> None:
    torch.manual_seed(123)
    assert Draws(None).seed == 123


def test_the_seed_comes_with_the_checkpoint() -> None:
    resumed = Draws(seed=1)
    resumed.load_state_dict(Draws(seed=9).state_dict())
    assert resumed.seed == 9
    assert torch.equal(resumed.draws([0], 3, 1), Draws(seed=9).draws([0], 3, 1))


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="`seed` must be >= 0, got -1"):
        Draws(-1)
