"""Local averages against the dense kernel."""

import pytest
import torch

from lightning_autobalance.variants.neighbours import find_neighbours, local_means, radius_for

BOUNDS = ((-1.0, 1.0), (0.0, 4.0))


def dense(places: torch.Tensor, points: torch.Tensor, radius: float) -> torch.Tensor:
    """The slow, obvious kernel: one entry per pair."""
    low, high = torch.tensor(BOUNDS, dtype=torch.float64).unbind(1)
    near = (torch.cdist((places - low) / (high - low), (points - low) / (high - low)) <= radius).double()
    return near / near.sum(dim=1, keepdim=True)


@pytest.fixture
def points() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(60, 2, dtype=torch.float64) * torch.tensor([2.0, 4.0]) - torch.tensor([1.0, 0.0])


def test_averages_equal_the_dense_kernel(points: torch.Tensor) -> None:
    values = torch.rand(2, 60, dtype=torch.float64)
    expected = values @ dense(points, points, 0.2).T
    torch.testing.assert_close(find_neighbours(points, points, BOUNDS, 0.2).average(values), expected)
    torch.testing.assert_close(local_means(points, values, BOUNDS, 0.2), expected)


def test_averages_at_other_places(points: torch.Tensor) -> None:
    values = torch.rand(1, 60, dtype=torch.float64)
    places = points[:5] + 0.01
    expected = values @ dense(places, points, 0.3).T
    torch.testing.assert_close(find_neighbours(places, points, BOUNDS, 0.3).average(values), expected)


def test_a_place_without_neighbours_takes_the_nearest(points: torch.Tensor) -> None:
    values = torch.rand(1, 60, dtype=torch.float64)
    found = find_neighbours(points[:3] + 1e-4, points, BOUNDS, 1e-9).average(values)
    torch.testing.assert_close(found, values[:, :3])


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_the_radius_holds_the_wanted_number(d: int) -> None:
    torch.manual_seed(0)
    radius, count = radius_for(10, 20_000, d), 20_000
    x = torch.rand(count, d, dtype=torch.float64)
    inner = x[((x > radius) & (x < 1 - radius)).all(dim=1)][:50]
    assert (torch.cdist(inner, x) <= radius).sum(dim=1).double().mean().item() == pytest.approx(10, rel=0.2)
