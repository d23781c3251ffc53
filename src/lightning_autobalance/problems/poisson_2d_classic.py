"""Laplace's equation on a square with four holes."""

from collections.abc import Mapping

from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Disk, Domain, Rectangle
from lightning_autobalance.problems.packaged import later, packaged


def _domain() -> Domain:
    square: Domain = Rectangle((-0.5, 0.5), (-0.5, 0.5))
    for center in ((-0.3, -0.3), (-0.3, 0.3), (0.3, -0.3), (0.3, 0.3)):
        square = square - Disk(center, 0.1)
    return square


class Poisson2DClassic(PINNModule):
    r"""Laplace's equation between a square at 1 and four disks at 0.

    .. math:: u_{xx} + u_{yy} = 0 \quad\text{on } [-0.5, 0.5]^2 \setminus \bigcup_{i=1}^4 B_{0.1}(\pm 0.3, \pm 0.3)

    with u = 1 on the square and u = 0 on the circles. The reference is fitted to the boundary values by harmonic
    functions.

    Reference:
        PINNacle (Hao et al., 2024), Poisson 2d-C with its scale 1, in whose code the file of the solution has another
        problem's name. It spreads half of the points of the circles over the last of them; here by length.
    """

    domain = later(_domain)
    default_reference = packaged("poisson_2d_classic")

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation; ``outer``: u on the square; ``holes``: u on the circles."""
        (laplacian,) = self.partials(points["interior"], "xx+yy")
        return {"pde": laplacian, "outer": self(points["outer"]) - 1, "holes": self(points["hole"])}
