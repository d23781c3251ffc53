"""-Δu = 1 on an L-shape, u = 0 on its boundary; the reentrant corner has a singularity."""

from collections.abc import Mapping

from torch import Tensor

from lightning_autobalance import PINNModule, Rectangle


class PoissonLShape(PINNModule):
    domain = Rectangle((-1, 1), (-1, 1)) - Rectangle((0, 1), (0, 1))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u_xx, u_yy = self.partials(points["interior"], "xx", "yy")
        return {"pde": u_xx + u_yy + 1, "boundary": self(points["boundary"])}
