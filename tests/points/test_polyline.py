"""Curves of straight edges, and stretches of curves."""

import torch
from numpy.testing import assert_allclose
from torch import Tensor

from lightning_autobalance.points.polyline import Polyline, stretch

LINE = Polyline(torch.tensor([[0, 0], [1, 0], [1, 3]]).double())


def at(*shares: float) -> Tensor:
    return torch.tensor(shares, dtype=torch.float64)[:, None]


def test_places_are_even_by_length() -> None:
    assert_allclose(LINE.stops, [0, 0.25, 1])
    assert_allclose(LINE(at(0, 0.125, 0.25, 0.5, 1)), [[0, 0], [0.5, 0], [1, 0], [1, 1], [1, 3]])
    assert LINE(at(0.3).float()).dtype == torch.float32


def test_a_stretch_keeps_the_corners_within() -> None:
    assert_allclose(LINE.between(0.125, 0.5).corners, [[0.5, 0], [1, 0], [1, 1]])
    assert_allclose(LINE.between(0.25, 1.0).corners, [[1, 0], [1, 3]])
    assert isinstance(stretch(LINE, 0.1, 0.2), Polyline)


def test_stretches_of_stretches() -> None:
    def parabola(t: Tensor) -> Tensor:
        return torch.cat([t, t * t], dim=1)

    twice = stretch(stretch(parabola, 0.5, 1.0), 0.0, 0.5)
    assert_allclose(twice(at(0, 1)), [[0.5, 0.25], [0.75, 0.5625]])
    assert_allclose(stretch(stretch(LINE, 0.125, 0.5), 0.0, 0.5)(at(1)), LINE(at(0.3125)))
