"""Rules of integration on faces found by rejection, against closed forms."""

from math import log, pi
from typing import Any

import numpy as np
import pytest

from lightning_autobalance.points import Ball, Box, Disk, Domain, Polygon, Rectangle, quadrature
from lightning_autobalance.points.moments import fitted

L_SHAPE = Polygon([(0, 0), (0, 1), (-1, 1), (-1, -1), (1, -1), (1, 0)])
PLATE = Rectangle((0, 1), (0, 1)) - Disk((0.5, 0.5), 0.2)
BLOCK = Box((0, 1), (0, 1), (0, 1)) - Ball((0.5, 0.5, 0.5), 0.3).named("ball")


class Ring(Domain):
    bounds = ((-2.0, 2.0), (-2.0, 2.0))

    def contains(self, points: Any) -> Any:
        radius = np.hypot(*points.T)
        return (radius >= 1) & (radius <= 2)


@pytest.mark.parametrize(
    ("domain", "part", "function", "expected", "tolerance"),
    [
        (PLATE, "interior", lambda x: x[:, 0] ** 2, 1 / 3 - pi * (0.25 * 0.2**2 + 0.2**4 / 4), 1e-12),
        (L_SHAPE, "interior", lambda x: x[:, 0] ** 2 * x[:, 1], -1 / 6, 1e-12),
        (L_SHAPE.named(interior="fluid"), "fluid", lambda x: x[:, 0] ** 2 * x[:, 1], -1 / 6, 1e-12),
        (L_SHAPE, "interior", lambda x: (pi * x).sin().prod(dim=1), -((2 / pi) ** 2), 2e-3),
        (L_SHAPE, "boundary", lambda x: x[:, 0] * L_SHAPE.normal(x)[:, 0], 3.0, 1e-12),  # jumps at corners
        (BLOCK, "interior", lambda x: x[:, 0] ** 2, 1 / 3 - pi * (0.3**3 / 3 + 4 * 0.3**5 / 15), 1e-3),
        (BLOCK, "ball", lambda x: x[:, 0] ** 2, pi * (0.3**2 + 4 * 0.3**4 / 3), 1e-12),  # a whole sphere: by Gauss
        (Ring(), "interior", lambda x: x.square().sum(dim=1), 15 * pi / 2, 2e-3),
        (Ring(), "boundary", lambda x: x.norm(dim=1).log(), 4 * pi * log(2), 2e-3),
        (Ball((0.0,) * 4, 1.0, "abcd"), "interior", lambda x: x[:, 0] ** 2, pi**2 / 12, 1e-4),
        (Ball((0.0,) * 5, 1.0, "abcde"), "boundary", lambda x: x[:, 0] ** 2, 8 * pi**2 / 15, 1e-4),
    ],
)
def test_integrals(domain: Domain, part: str, function: Any, expected: float, tolerance: float) -> None:
    nodes, weights = quadrature(domain, part, 400)
    assert (weights @ function(nodes)).item() == pytest.approx(expected, rel=tolerance)
    assert weights.min() > 0
    assert 350 < len(nodes) < 450


class Sector(Domain):
    """With a curve as its boundary, but no normals."""

    bounds = ((0.0, 1.0), (0.0, 1.0))

    def contains(self, points: Any) -> Any:
        return np.hypot(*points.T) <= 1

    def faces_by_part(self) -> Any:
        return {**super().faces_by_part(), "boundary": Disk().faces("boundary")}


def test_without_normals() -> None:
    nodes, weights = quadrature(Sector(), "interior", 400)
    assert (weights @ nodes[:, 0]).item() == pytest.approx(1 / 3, rel=5e-3)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_few_nodes(count: int) -> None:
    (face,) = PLATE.faces("interior")
    nodes, weights = fitted(face, count)
    assert len(nodes) == count
    assert weights.sum().item() == pytest.approx(face.measure)
    assert PLATE.contains(nodes.numpy()).all()
