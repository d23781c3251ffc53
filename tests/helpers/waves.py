"""A small time-dependent problem, and every variant with settings that show in a few steps."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.points import Interval, TimeCylinder
from lightning_autobalance.variants import (
    CWP,
    GPINN,
    RAD,
    RAR,
    RBA,
    SAPINN,
    Causal,
    CoPINN,
    GrowingTime,
    MeanSquares,
    RoPINN,
    Stack,
    Variant,
)

MAKE: dict[str, Callable[[], Variant]] = {
    "MeanSquares": MeanSquares,
    "RBA": RBA,
    "CWP": lambda: CWP(resample_every=3, seed=0),
    "GPINN": GPINN,
    "RoPINN": lambda: RoPINN(seed=0),
    "CoPINN": CoPINN,
    "SAPINN": lambda: SAPINN(seed=0),
    "Causal": lambda: Causal(tolerance=0.01, chunks=4),
    "GrowingTime": lambda: GrowingTime(start=0.2, begin=2, steps=10),
    "RAD": lambda: RAD(interval=3, candidates=100, seed=0),
    "RAR": lambda: RAR(interval=3, added=2, candidates=100, seed=0),
    "Stack": lambda: Stack([GPINN(), RBA(), RoPINN(seed=0), CoPINN(), Causal(tolerance=0.01)]),
}


class Wave(PINNModule):
    """u_t + u_x = 0 on [0, 1] x [0, 1], u = sin(x - t); a residual of two values beside it."""

    domain = TimeCylinder(Interval(0.0, 1.0), (0.0, 1.0))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u_x, u_t, u_xx = self.partials(points["interior"], "x", "t", "xx")
        around = torch.cat([points["boundary"], points["initial"]])
        return {"pde": u_t + u_x, "second": torch.cat([u_t + u_x, u_xx], dim=1), "edge": self(around)}

    def exact(self, x: Tensor) -> Tensor:
        return torch.sin(x[:, :1] - x[:, 1:])

    def default_net(self) -> nn.Module:
        return MLP(2, 1, [6, 6])
