"""Heat between 17 holes."""

from collections.abc import Mapping

from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Disk, Domain, Rectangle, TimeCylinder
from lightning_autobalance.problems.packaged import later, packaged

BIG = [(x, y) for x in (-4.0, 4.0) for y in (-9.0, -3.0, 3.0, 9.0)] + [(0.0, y) for y in (-6.0, 0.0, 6.0)]
SMALL = [(x, y) for x in (-3.2, 3.2) for y in (-6.0, 0.0, 6.0)]


def _domain() -> Domain:
    plate: Domain = Rectangle((-8.0, 8.0), (-12.0, 12.0))
    for name, radius, centers in (("big", 1.0, BIG), ("small", 0.4, SMALL)):
        for center in centers:
            plate = plate - Disk(center, radius).named(name)
    return TimeCylinder(plate, (0.0, 3.0))


class HeatComplex2D(PINNModule):
    r"""A cold plate with 17 holes, warmed through all its edges.

    .. math:: u_t = \Delta u, \quad u(x, y, 0) = 0, \quad u_n + u = g

    on :math:`[-8, 8] \times [-12, 12]` without eleven disks of radius 1, where g = 5, and six of radius 0.4, where
    g = 1; g = 0.1 on the rectangle, :math:`t \in [0, 3]`. The reference is by finite elements.

    Reference:
        PINNacle (Hao et al., 2024), Heat 2d-CG.

    Note:
        The normal points out of the plate, also at holes; a remark in PINNacle's code leaves its sign open.
    """

    domain = later(_domain)
    default_reference = packaged("heat_complex_2d")

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``, ``initial``, and the flux at ``big`` and ``small`` holes and at ``outer``, the rectangle."""
        u_t, laplacian = self.partials(points["interior"], "t", "xx+yy")
        edges = {"big": 5.0, "small": 1.0, "outer": 0.1}
        return {
            "pde": u_t - laplacian,
            "initial": self(points["initial"]),
            **{name: self.normal_derivative(points[name], name) + self(points[name]) - g for name, g in edges.items()},
        }
