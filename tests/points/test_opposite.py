"""Points on both sides of a domain, and domains that have no two sides."""

from typing import Any

import pytest
import torch

from lightning_autobalance.points import Box, Disk, Domain, ParameterRange, Rectangle, TimeCylinder, opposite


class Holed(Rectangle):
    """A square without a disk in its middle."""

    def contains(self, points: Any) -> Any:
        return super().contains(points) & ~Disk((0.5, 0.5), 0.2).contains(points)


class Corner(Rectangle):
    """An L: a square without its upper right quarter."""

    def contains(self, points: Any) -> Any:
        return super().contains(points) & ~(points > 0.5).all(axis=1)


@pytest.mark.parametrize(
    ("domain", "coordinate", "column"),
    [
        (Box((0, 1), (-1, 2), (3, 4)), "y", 1),
        (TimeCylinder(Disk(), (0, 2)), "t", 2),  # periodic in time
        (Rectangle((0, 1), (0, 1)) * ParameterRange("nu", 1, 2), "x", 0),
        (Holed((0, 1), (0, 1)), "x", 0),
    ],
)
def test_points_are_moved_to_both_ends(domain: Domain, coordinate: str, column: int) -> None:
    x = torch.rand(4, len(domain.bounds))
    for found, end in zip(opposite(domain, x, coordinate), domain.bounds[column], strict=True):
        expected = x.clone()
        expected[:, column] = end
        assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("domain", "coordinate"),
    [(Disk(), "x"), (TimeCylinder(Disk(), (0, 1)), "y"), (Corner((0, 1), (0, 1)), "x")],
)
def test_domains_without_two_sides(domain: Domain, coordinate: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=f"`coordinate` must be one along which .* got {coordinate!r}: not all"):
            opposite(domain, torch.zeros(1, len(domain.bounds)), coordinate)


def test_an_unknown_coordinate() -> None:
    with pytest.raises(ValueError, match=r"`coordinate` must be one of \('x', 'y'\), got 't'"):
        opposite(Rectangle((0, 1), (0, 1)), torch.zeros(1, 2), "t")
