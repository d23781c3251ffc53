"""-Δu = 1 on a square with three holes, u = 0 on all of the boundary."""

from collections.abc import Mapping

from torch import Tensor

from lightning_autobalance import Disk, PINNModule, Rectangle


class PoissonThreeHoles(PINNModule):
    domain = Rectangle((0, 1), (0, 1)) - Disk((0.3, 0.3), 0.1) - Disk((0.7, 0.4), 0.12) - Disk((0.4, 0.75), 0.1)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u_xx, u_yy = self.partials(points["interior"], "xx", "yy")
        return {"pde": u_xx + u_yy + 1, "outer": self(points["outer"]), "holes": self(points["hole"])}
