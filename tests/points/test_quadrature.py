"""Integrals over parts of domains against closed forms."""

from math import e, pi
from typing import Any

import pytest
import torch

from lightning_autobalance.points import (
    Box,
    Disk,
    Domain,
    Face,
    Interval,
    ParameterRange,
    Rectangle,
    TimeCylinder,
    quadrature,
)

SQUARE = (
    Rectangle((0, 1), (0, 2)).with_part("sensor", (0.25, 1.0)).with_part("ring", Disk((0.5, 1.0), 0.25), "boundary")
)


class Quarter(Domain):
    bounds = ((0.0, 1.0), (0.0, 1.0))

    def contains(self, points: Any) -> Any:
        return (points**2).sum(axis=1) <= 1


class Unmeasured(Rectangle):
    def faces_by_part(self) -> Any:
        return {"interior": (Face(2, lambda unit: unit),)}


@pytest.mark.parametrize(
    ("domain", "part", "function", "expected", "tolerance"),
    [
        (Interval(0, 1), "interior", lambda x: x[:, 0].exp(), e - 1, 1e-12),
        (Interval(0, 1), "boundary", lambda x: x[:, 0].exp(), e + 1, 1e-12),
        (SQUARE, "interior", lambda x: x[:, 0] * x[:, 1] ** 3, 2.0, 1e-12),
        (SQUARE, "boundary", lambda x: x[:, 1] ** 2, 2 * 8 / 3 + 4, 1e-12),
        (SQUARE, "top", lambda x: x[:, 0] * x[:, 1], 1.0, 1e-12),
        (SQUARE, "sensor", lambda x: x[:, 0], 0.25, 1e-12),
        (SQUARE, "ring", lambda x: 1 + x[:, 0], 1.5 * pi / 2, 1e-12),
        (Box((0, 1), (0, 1), (0, 3)), "z=3", lambda x: x.sum(dim=1), 4.0, 1e-12),
        (Disk((1, 0), 2.0), "interior", lambda x: x[:, 0] ** 2, 4 * pi + 4 * pi, 1e-3),
        (Disk(), "boundary", lambda x: x[:, 0] ** 2, pi, 1e-9),
        (TimeCylinder(SQUARE, (0, 5)) * ParameterRange("nu", 1, 9, log=True), "interior", lambda x: x[:, 0], 1, 1e-12),
        (TimeCylinder(Disk().named("rim"), (0, 5)).named(rim="edge"), "edge", lambda x: x[:, 0] ** 2, pi, 1e-9),
        (Quarter(), "interior", lambda x: 1 + 0 * x[:, 0], pi / 4, 1e-2),
        (Quarter(), "interior", lambda x: x[:, 0], 1 / 3, 1e-2),
    ],
)
def test_integrals(domain: Domain, part: str, function: Any, expected: float, tolerance: float) -> None:
    nodes, weights = quadrature(domain, part, 400)
    assert nodes.dtype == weights.dtype == torch.float64
    assert (weights @ function(nodes)).item() == pytest.approx(expected, rel=tolerance)


def test_about_as_many_nodes_as_asked_for() -> None:
    assert len(quadrature(SQUARE, "interior", 400)[0]) == 400
    assert len(quadrature(SQUARE, "boundary", 40)[0]) == 40
    assert len(quadrature(Interval(0, 1), "boundary", 400)[0]) == 2
    assert 350 < len(quadrature(Quarter(), "interior", 400)[0]) < 450


@pytest.mark.parametrize(
    ("domain", "part", "count", "message"),
    [
        (SQUARE, "interior", 0, "`count` must be >= 1, got 0"),
        (TimeCylinder(SQUARE, (0, 1)), "initial", 10, "`part` must be one of interior, boundary.*got 'initial'"),
        (Unmeasured((0, 1), (0, 1)), "interior", 10, "`part` must have faces of known `measure`.*got 'interior'"),
    ],
)
def test_refused(domain: Domain, part: str, count: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quadrature(domain, part, count)
