"""Poisson's equation at a reentrant corner."""

from collections.abc import Mapping

from torch import Tensor

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Rectangle
from lightning_autobalance.problems.packaged import later, packaged


class PoissonLShape(PINNModule):
    r"""Poisson's equation on an L-shape, whose reentrant corner makes the gradient infinite.

    .. math:: -\Delta u = 1 \quad\text{on } [-1, 1]^2 \setminus [0, 1]^2, \quad u = 0 \text{ on its boundary}

    The reference is fitted to the boundary values by harmonic functions with the corner's singularity.

    Reference:
        DeepXDE's example (Lu et al., 2021); Trefethen and Gopal, 2019, for the solution.
    """

    domain = later(lambda: Rectangle((-1.0, 1.0), (-1.0, 1.0)) - Rectangle((0.0, 1.0), (0.0, 1.0)))
    default_reference = packaged("poisson_l_shape")

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: the equation; ``boundary``: u on the boundary."""
        (laplacian,) = self.partials(points["interior"], "xx+yy")
        return {"pde": laplacian + 1, "boundary": self(points["boundary"])}
