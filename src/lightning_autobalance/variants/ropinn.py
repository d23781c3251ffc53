"""RoPINN, region-optimized PINN: residuals at random points near those of the data."""

from collections.abc import Sequence
from typing import Literal, final

import torch
from torch import Tensor

from lightning_autobalance.shapes import Jacobian
from lightning_autobalance.utils.arguments import check_at_least, check_positive
from lightning_autobalance.utils.parameter_columns import ParameterColumns
from lightning_autobalance.variants.base import ByPart, ProblemInfo, StepContext
from lightning_autobalance.variants.part import PartVariant
from lightning_autobalance.variants.seeded import Seeded


@final
class RoPINN(ParameterColumns, Seeded, PartVariant):
    r"""Region-optimized PINN: residuals at randomly displaced points, farther away while the gradients agree.

    .. math:: x_j \to x_j + q \xi, \; \xi \sim U(0, 1)^d, \quad q = \min(r_0 / \sigma, q_{\max}), \quad
        \sigma = \frac{1}{n} \sum_i \frac{\operatorname{std}_t g_{t,i}}{\operatorname{mean}_t |g_{t,i}| + 10^{-6}}

    over the latest T gradients g of the total loss. Points of the other parts are not displaced.

    Args:
        radius: r_0, >= 0.
        limit: Upper bound of q, >= 0.
        history: T, > 0.
        side: Displace by q U(0, 1) along each coordinate, as the authors do ("one"), or by q U(-1, 1) ("both").
        clamp: Keep the points within the bounds of the domain; the authors let them leave it by up to ``limit``.
        samples: Displacements per point and step, > 0; the loss averages over them.
        seed: Seed of the displacements. By default the one given to ``seed_everything``.
        part: Part of the domain whose points are displaced.
        terms: Names of loss terms that must have exactly one row per point of the part. Every residual there sees the
            displaced points, whichever terms are named.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Wu, Luo, Ma, Wang, Long, 2024, "RoPINN: Region optimized physics-informed neural networks", algorithm 1 and the
        authors' code.

    Note:
        With sigma = 0, as after a single step, q is r_0, as in the authors' code. The gradient of a step is that of the
        weighted sum of the terms' losses, also with an optimizer that keeps the terms apart.
        Parameters of the equation are coordinates, and are displaced, too; ``clamp`` keeps them within their ranges.
        The history is of the parameters that are trained: it loses those of a layer that is frozen, and starts anew
        when one is unfrozen.
    """

    watches_gradients = True
    has_fixed_losses = False  # other random neighbours in every evaluation
    per_parameter = ("gradients",)
    keeps_absent = False
    sigma: Tensor
    gradients: Tensor

    def __init__(
        self,
        radius: float = 1e-4,
        limit: float = 0.01,
        history: int = 10,
        side: Literal["one", "both"] = "one",
        clamp: bool = False,
        samples: int = 1,
        seed: int | None = None,
        part: str = "interior",
        terms: list[str] | None = None,
    ) -> None:
        super().__init__(part, terms)
        for name, value in {"radius": radius, "limit": limit}.items():
            check_at_least(name, value, 0)
        for name, count in {"history": history, "samples": samples}.items():
            check_positive(name, count)
        if side not in ("one", "both"):
            raise ValueError(f"`side` must be 'one' or 'both', got {side!r}.")
        self.radius = radius
        self.limit = limit
        self.history = history
        self.side = side
        self.clamp = clamp
        self.samples = samples
        self._set_seed(seed)
        self.register_buffer("sigma", torch.ones(()))
        self.register_buffer("gradients", torch.empty(0))  # the latest up to T, (t, n)
        self._step = 0
        self._bounds: tuple[tuple[float, float], ...] = ()

    def prepare(self, problem: ProblemInfo) -> ProblemInfo:
        """Look up the terms and the bounds of the domain."""
        self._bounds = problem.domain.bounds
        return super().prepare(problem)

    def begin(self, context: StepContext, points: ByPart) -> None:  # noqa: ARG002
        """Note the step, which the displacements depend on."""
        self._step = context.step

    @property
    def reach(self) -> Tensor:
        """q, the largest displacement along a coordinate, ()."""
        return (self.radius / self.sigma).clamp(max=self.limit)

    def perturb(self, points: ByPart) -> dict[str, Tensor]:
        """The points, displaced; ``samples`` times as many in ``part``."""
        x = points[self.part]
        xi = torch.cat([self.draws([self._step, sample], *x.shape) for sample in range(self.samples)])
        if self.side == "both":
            xi = 2 * xi - 1
        moved = x.repeat(self.samples, 1) + self.reach.to(x) * xi.to(x)
        if self.clamp:
            low, high = torch.tensor(self._bounds, dtype=x.dtype, device=x.device).unbind(dim=1)
            moved = torch.minimum(torch.maximum(moved, low), high)
        return {**points, self.part: moved}

    def observe(self, jacobian: Jacobian) -> None:
        """Append the gradient of this step to the history, and update sigma."""
        gradient = jacobian.detach().sum(dim=0, keepdim=True)
        kept = self.gradients[1 - self.history :] if self.history > 1 else self.gradients[:0]
        self.gradients = torch.cat([kept.to(gradient).view(-1, gradient.shape[1]), gradient])
        centred = self.gradients - self.gradients.mean(dim=0)
        deviation = centred.square_().mean(dim=0).sqrt_()  # 20 times as fast as `std`
        sigma = (deviation / (self.gradients.abs().mean(dim=0) + 1e-6)).mean()
        self.sigma = torch.where(sigma > 0, sigma, torch.ones_like(sigma))

    def start(self, parameters: Sequence[str]) -> None:  # noqa: ARG002
        """Forget the history, which is too short for new parameters."""
        self.gradients = self.gradients.new_empty(0)

    def numbers(self) -> dict[str, Tensor]:
        """The largest displacement q, and sigma."""
        return {"radius": self.reach, "sigma": self.sigma}
