"""u_t = k u_xx, u = 0 at both ends: k from noisy values at three probes; the initial state is not known."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lightning_autobalance import Bounded, Interval, PINNModule, TimeCylinder


class HeatProbes(PINNModule):
    domain = TimeCylinder(Interval(0, 1), (0, 0.5))

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.k = Bounded(1.0)  # the true value is 0.3

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u_t, u_xx = self.partials(points["interior"], "t", "xx")
        data = self(points["data"]) - points["data_targets"]
        return {"pde": u_t - self.k() * u_xx, "boundary": self(points["boundary"]), "data": data}
