"""The verdict, and the names of places."""

from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.toys import Decay, Poisson2D
from lightning_autobalance.callbacks.verdict import Largest, find_largest, place_in_words, verdict
from lightning_autobalance.points import Disk, Domain, Interval, Rectangle, TimeCylinder


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (2e-7, "2.0e-07: very good"),
        (5e-4, "0.05 %: very good"),
        (0.008, "0.8 %: good"),
        (0.03, "3 %: rough"),
        (0.3, "30 %: poor"),
        (1.652, "165 %: not a solution"),
        (float("nan"), "nan: not a solution"),
    ],
)
def test_grades(error: float, said: str) -> None:
    assert verdict(error) == f"Relative L2 error {said}."


def test_the_place_is_named() -> None:
    largest = Largest(0.012, "u", (1.0, 1.0), "the corner (1, 1)")
    assert verdict(0.008, largest) == (
        "Relative L2 error 0.8 %: good; it is largest at the corner (1, 1) (1.2e-02 in u)."
    )


UNIT = Rectangle((0, 1), (0, 1))


@pytest.mark.parametrize(
    ("domain", "point", "words"),
    [
        (UNIT, (1.0, 1.0), "the corner (1, 1)"),
        (UNIT, (0.0, 0.5), "the side x = 0, (0, 0.5)"),
        (UNIT, (0.25, 0.5), "(0.25, 0.5)"),
        (Interval(0, 1), (1.0,), "the end x = 1"),
        (Interval(0, 1), (0.3,), "x = 0.3"),
        (Disk((0, 0), 1), (1.0, 0.0), "(1, 0)"),
        (TimeCylinder(Interval(0, 1), (0, 2)), (0.5, 2.0), "the end of time, (x = 0.5, t = 2)"),
        (TimeCylinder(Interval(0, 1), (0, 2)), (0.5, 1.0), "(x = 0.5, t = 1)"),
    ],
)
def test_places(domain: Domain, point: tuple[float, ...], words: str) -> None:
    assert place_in_words(domain, point) == words


def test_the_largest_error_is_found() -> None:
    module = Poisson2D()
    with module.field_replaced(lambda x: module.exact(x) + x.prod(dim=1, keepdim=True)):
        found = find_largest(module)
    assert found is not None
    assert (found.field, found.place) == ("u", "the corner (1, 1)")
    assert found.error == pytest.approx(1.0)


def test_of_a_reference_its_points_are_taken(tmp_path: Path) -> None:
    x = np.linspace(0, 1, 5)[:, None]
    module = Decay(reference=(x, np.exp(-x)))
    with module.field_replaced(lambda x: torch.exp(-x) + (x == 0.75)):
        found = find_largest(module)
    assert found is not None
    assert found.point == (0.75,)
