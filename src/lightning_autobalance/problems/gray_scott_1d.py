"""Gray and Scott's reaction of two substances, a stiff system."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP, Periodic
from lightning_autobalance.points import Interval, TimeCylinder
from lightning_autobalance.problems.packaged import packaged


class GrayScott1D(PINNModule):
    r"""Gray-Scott equations on a periodic interval.

    .. math:: u_t = 10^{-5} u_{xx} + 0.04 (1 - u) - u v^2, \quad v_t = 5 \cdot 10^{-6} v_{xx} - 0.1 v + u v^2

    .. math:: u(x, 0) = 1 - e^{-80 (x + 0.05)^2}, \quad v(x, 0) = e^{-80 (x - 0.05)^2}

    on :math:`x \in [-1, 1]`, :math:`t \in [0, 20]`. The reference is spectral.

    Reference:
        PINNacle (Hao et al., 2024), Gray-Scott, there in two dimensions and for t up to 200.

    Note:
        PINNacle's code has no condition on the boundary; here the default network is periodic by itself.
    """

    domain = TimeCylinder(Interval(-1.0, 1.0), (0.0, 20.0))
    fields = ("u", "v")
    default_reference = packaged("gray_scott_1d")

    def default_net(self) -> nn.Module:
        """A network of six waves of x, and t."""
        return Periodic(MLP(13, 2), [2.0, None], harmonics=6)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pde``: both equations in the interior; ``initial``: the start."""
        w, w_t, w_xx = self.partials(points["interior"], "", "t", "xx")
        (u, v), x = w.unbind(1), points["initial"][:, :1]
        gain, diffusion = u * v**2, w.new_tensor([1e-5, 5e-6])
        reaction = torch.stack([0.04 * (1 - u) - gain, gain - 0.1 * v], dim=1)
        start = torch.cat([1 - torch.exp(-80 * (x + 0.05) ** 2), torch.exp(-80 * (x - 0.05) ** 2)], dim=1)
        return {"pde": w_t - diffusion * w_xx - reaction, "initial": self(points["initial"]) - start}
