"""Which parts have normals, and that these are the domain's."""

import pytest
import torch

from lightning_autobalance.points import Disk, Domain, Interval, ParameterRange, Rectangle, TimeCylinder, outward

SQUARE = Rectangle((0, 1), (0, 1)).with_part("corner", (0.0, 0.0))
NAMED = Rectangle((0, 1), (0, 1)).named(left="inlet")


@pytest.mark.parametrize(
    ("domain", "part", "place", "normal"),
    [
        (Interval(0, 1), "right", (1.0,), (1.0,)),
        (Interval(0, 1), "boundary", (0.0,), (-1.0,)),
        (SQUARE, "left", (0.0, 0.0), (-1.0, 0.0)),
        (SQUARE, "bottom", (0.0, 0.0), (0.0, -1.0)),
        (NAMED, "inlet", (0.0, 0.0), (-1.0, 0.0)),
        (SQUARE, "x=0", (0.0, 1.0), (-1.0, 0.0)),
        (Disk((1, 1), 5.0), "boundary", (4.0, 5.0), (0.6, 0.8)),
        (TimeCylinder(NAMED, (0, 1)), "inlet", (0.0, 1.0, 0.5), (-1.0, 0.0, 0.0)),
        (TimeCylinder(Disk(), (0, 1)) * ParameterRange("nu", 1, 2), "boundary", (0.0, 1.0, 0.5, 1.5), (0, 1, 0, 0)),
    ],
)
def test_normals(domain: Domain, part: str, place: tuple[float, ...], normal: tuple[float, ...]) -> None:
    assert outward(domain, torch.tensor([place]), part).flatten().tolist() == pytest.approx(list(normal))


@pytest.mark.parametrize(
    ("domain", "part"),
    [
        (SQUARE, "interior"),
        (SQUARE, "corner"),
        (TimeCylinder(SQUARE, (0, 1)), "initial"),
        (TimeCylinder(SQUARE.named(left="inlet"), (0, 1)).named(corner="origin"), "origin"),
        (SQUARE.named(interior="inside"), "inside"),
    ],
)
def test_parts_without_normals(domain: Domain, part: str) -> None:
    with pytest.raises(ValueError, match=f"`part` must be a part of the boundary, got {part!r}"):
        outward(domain, torch.zeros(3, len(domain.bounds)), part)


def test_an_unknown_part() -> None:
    with pytest.raises(ValueError, match=r"`part` must be one of .*Did you mean 'left'"):
        outward(SQUARE, torch.zeros(3, 2), "lefft")
