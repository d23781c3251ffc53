"""Domains of every kind, near the origin and far from it."""

import numpy as np
from numpy.typing import NDArray

from lightning_autobalance.points import (
    Ball,
    Box,
    Disk,
    Domain,
    Ellipse,
    Interval,
    ParameterRange,
    PointCloud,
    Polygon,
    Rectangle,
    Shape,
    TimeCylinder,
)


class Ring(Domain):
    """A domain of one's own, 1/2 < r < 1 around (2, 1), that knows only which points it contains."""

    inner, outer = 0.5, 1.0

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        return (1.0, 3.0), (0.0, 2.0)

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        radius = np.hypot(points[:, 0] - 2, points[:, 1] - 1)
        return (radius >= self.inner) & (radius <= self.outer)


GRID = np.stack(np.meshgrid(np.linspace(0, 2, 33), np.linspace(1, 2, 33), indexing="ij"), axis=-1).reshape(-1, 2)
_ON_EDGE = np.isin(GRID[:, 0], [0, 2]) | np.isin(GRID[:, 1], [1, 2])
CLOUD = PointCloud(GRID[~_ON_EDGE], {"wall": GRID[_ON_EDGE]})

HOUSE = Polygon([(0.0, 0.0), (4.0, 0.0), (4.0, 1.0), (2.0, 2.0), (0.0, 1.0)])
PLANAR: dict[str, Shape] = {
    "polygon": HOUSE,
    "polygon_with_hole": Polygon([(0, 0), (2, 0), (2, 1), (0, 1)], holes=[[(0.25, 0.25), (1.0, 0.25), (0.5, 0.75)]]),
    "ellipse": Ellipse((1.0, -2.0), (3.0, 1.0)),
    "plate": Rectangle((0, 2), (0, 1)) - Disk((0.5, 0.5), 0.2).named("cylinder"),
    "step": Rectangle((0, 4), (0, 1)) - Rectangle((0, 1), (0, 0.5)),
    "nested": ((Rectangle((0, 2), (0, 1)) | Disk((2, 0.5), 0.5)) - Disk((0.5, 0.5), 0.2))
    & Rectangle((-1, 2.25), (0, 0.9)),
    "far_polygon": Polygon([(1e6, 0.0), (1e6 + 1e-2, 0.0), (1e6 + 1e-2, 1e-2)]),
    "tiny_plate": Rectangle((0, 2e-6), (0, 1e-6)) - Disk((5e-7, 5e-7), 2e-7),
    "huge_plate": Rectangle((0, 2e6), (0, 1e6)) - Ellipse((5e5, 5e5), (2e5, 1e5)),
}
DRILLED = Box((0, 1), (0, 1), (0, 1)) - Box((0.25, 0.5), (0.25, 0.5), (-1, 2)).named("hole")

DOMAINS: dict[str, Domain] = {
    "interval": Interval(-2.0, 5.0),
    "rectangle": Rectangle((-1.0, 1.0), (0.0, 3.0)),
    "box": Box((0.0, 1.0), (2.0, 4.0), (-1.0, 0.0)),
    "box4": Box((0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 2.0), coordinates="xyzw"),
    "disk": Disk((1.0, -2.0), 3.0),
    "ball1": Ball((3.0,), 2.0),
    "ball": Ball((1.0, -2.0, 3.0), 2.0),
    "ball4": Ball((0.0, 1.0, 2.0, 3.0), 0.5, coordinates="xyzw"),
    "own": Ring(),
    "heat": TimeCylinder(Interval(0.0, 1.0), (2.0, 5.0)),
    "wave": TimeCylinder(Disk(), (0.0, 1.0)),
    "parametric": TimeCylinder(Interval(0.0, 1.0), (0.0, 1.0)) * ParameterRange("nu", 0.01, 0.1, log=True),
    "parametric_box": Box((0.0, 1.0), (0.0, 2.0))
    * ParameterRange("a", -1.0, 1.0)
    * ParameterRange("k", 1.0, 100.0, log=True),
    "parametric_wave": TimeCylinder(Disk(), (0.0, 1.0)) * ParameterRange("c", 1.0, 2.0),
    "parametric_own": Ring() * ParameterRange("c", 1.0, 2.0),
    "cloud": CLOUD,
    "cloud_wave": TimeCylinder(CLOUD, (0.0, 1.0)) * ParameterRange("c", 1.0, 2.0),
    **PLANAR,
    "drilled": DRILLED,
    "polygon_wave": TimeCylinder(HOUSE, (0.0, 1.0)),
    "polygon_parametric": TimeCylinder(HOUSE, (0.0, 1.0)) * ParameterRange("nu", 0.01, 0.1, log=True),
    "far": Disk((1e6, -1e6), 1e-2),
    "far_box": Rectangle((1e6, 1e6 + 1e-2), (0.0, 1.0)),
}
