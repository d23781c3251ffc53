"""Uniform directions."""

from math import pi

import pytest
import torch

from lightning_autobalance.points.spheres import ball_volume, direction_dim, directions


def test_dimensions_of_the_cube() -> None:
    assert [direction_dim(d) for d in (1, 2, 3, 4, 5)] == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("d", [1, 2, 3, 4, 10])
def test_directions_are_unit_vectors_also_in_the_corners_and_the_middle(d: int) -> None:
    dim = direction_dim(d)
    random = torch.rand(100, dim, generator=torch.Generator().manual_seed(0)).double()
    special = torch.tensor([0.0, 0.5, 1.0]).double()[:, None].expand(3, dim)
    found = directions(torch.cat([random, special]), d)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(103).double())


def test_volumes() -> None:
    assert ball_volume(1) == pytest.approx(2)
    assert ball_volume(2, 3.0) == pytest.approx(9 * pi)
    assert ball_volume(3, 2.0) == pytest.approx(32 / 3 * pi)
