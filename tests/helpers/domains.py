"""Domains of every kind, near the origin and far from it."""

from lightning_autobalance.points import (
    Box,
    Disk,
    Domain,
    Ellipse,
    Interval,
    ParameterRange,
    Polygon,
    Rectangle,
    Shape,
    TimeCylinder,
)

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
    "heat": TimeCylinder(Interval(0.0, 1.0), (2.0, 5.0)),
    "wave": TimeCylinder(Disk(), (0.0, 1.0)),
    "parametric": TimeCylinder(Interval(0.0, 1.0), (0.0, 1.0)) * ParameterRange("nu", 0.01, 0.1, log=True),
    **PLANAR,
    "drilled": DRILLED,
    "polygon_wave": TimeCylinder(HOUSE, (0.0, 1.0)),
    "polygon_parametric": TimeCylinder(HOUSE, (0.0, 1.0)) * ParameterRange("nu", 0.01, 0.1, log=True),
    "far": Disk((1e6, -1e6), 1e-2),
    "far_box": Rectangle((1e6, 1e6 + 1e-2), (0.0, 1.0)),
}
