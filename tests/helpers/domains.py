"""Domains of every kind, near the origin and far from it."""

from lightning_autobalance.points import Box, Disk, Domain, Interval, ParameterRange, Rectangle, TimeCylinder

DOMAINS: dict[str, Domain] = {
    "interval": Interval(-2.0, 5.0),
    "rectangle": Rectangle((-1.0, 1.0), (0.0, 3.0)),
    "box": Box((0.0, 1.0), (2.0, 4.0), (-1.0, 0.0)),
    "box4": Box((0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 2.0), coordinates="xyzw"),
    "disk": Disk((1.0, -2.0), 3.0),
    "heat": TimeCylinder(Interval(0.0, 1.0), (2.0, 5.0)),
    "wave": TimeCylinder(Disk(), (0.0, 1.0)),
    "parametric": TimeCylinder(Interval(0.0, 1.0), (0.0, 1.0)) * ParameterRange("nu", 0.01, 0.1, log=True),
    "far": Disk((1e6, -1e6), 1e-2),
    "far_box": Rectangle((1e6, 1e6 + 1e-2), (0.0, 1.0)),
}
