"""Draws without repetition."""

from itertools import permutations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy import stats

from lightning_autobalance.points.finite import Chosen, Nearest, distinct


def test_each_piece_chooses_its_number() -> None:
    assert distinct(np.array([0.6, 0.0, 0.99]), 5).tolist() == [3, 0, 4]
    assert distinct(np.array([0.125, 0.375, 0.625, 0.875]), 8).tolist() == [1, 3, 5, 7]  # a grid stays one


def test_a_piece_that_is_taken_by_hand() -> None:
    """0.55 and 0.59 fall into piece 2 of 5: the second is at 0.95 of it, and gets the last of the free 0, 1, 3, 4."""
    assert distinct(np.array([0.55, 0.59]), 5).tolist() == [2, 4]
    assert distinct(np.array([0.55, 0.41]), 5).tolist() == [2, 0]


@pytest.mark.parametrize("size", [1, 2, 10, 1000])
def test_all_of_them_are_a_permutation(size: int) -> None:
    found = distinct(np.random.default_rng(0).random(size), size)
    assert_array_equal(np.sort(found), np.arange(size))


@pytest.mark.parametrize("n", [2, 3])
def test_every_ordered_choice_is_as_likely(n: int) -> None:
    rng, choices = np.random.default_rng(0), list(permutations(range(4), n))
    counts = dict.fromkeys(choices, 0)
    for unit in rng.random((2400, n)):
        counts[tuple(distinct(unit, 4).tolist())] += 1
    assert stats.chisquare(list(counts.values())).pvalue > 1e-4


def test_equal_numbers_still_give_different_ones() -> None:
    assert len(set(distinct(np.full(50, 0.3), 50).tolist())) == 50
    assert len(set(distinct(np.full(50, np.nextafter(1, 0)), 50).tolist())) == 50


def test_pieces_are_placed_at_their_points() -> None:
    place = Chosen(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).double())
    found = place(torch.tensor([[0.0], [0.34], [0.99], [1.0]]).double())
    assert found.tolist() == [[1, 2], [3, 4], [5, 6], [5, 6]]


@pytest.mark.parametrize("most", [1, 7, 10**6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_nearest_place(most: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    places = torch.randint(-20, 20, (40, 3), generator=generator).unique(dim=0).double()
    find = Nearest(places.numpy(), most)
    order = torch.randperm(len(places), generator=generator)
    x = (places[order] + 0.1).to(dtype).requires_grad_()
    assert torch.equal(find(x), order)
    if dtype != torch.bfloat16:  # torch has no distances of it on a CPU
        assert torch.equal(find.by_distances(x), order)


def test_the_nearest_of_places_far_away() -> None:
    far = torch.tensor([[1000.0], [1000.001]])  # float32 confuses these in products of matrices
    find = Nearest(far.double().numpy())
    assert find(far).tolist() == find.by_distances(far).tolist() == [0, 1]
    assert find(far[:0]).shape == find.by_distances(far[:0]).shape == (0,)


def test_a_point_that_is_nan_has_some_nearest() -> None:
    """The rows of residuals are found by points that are NaN."""
    find = Nearest(np.array([[0.0], [1.0], [3.0]]))
    assert find(torch.tensor([[2.9], [torch.nan]])).tolist()[0] == 2


def test_compiled_code_has_no_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    find = Nearest(np.array([[0.0], [1.0], [3.0]]))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    monkeypatch.setattr(find, "tree", None)
    assert find(torch.tensor([[2.9], [0.6]])).tolist() == [2, 1]
