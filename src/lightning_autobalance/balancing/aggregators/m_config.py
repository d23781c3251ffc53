"""M-ConFIG: ConFIG of momenta, one loss term per step."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from lightning_autobalance.balancing.aggregators.base import Aggregator
from lightning_autobalance.balancing.aggregators.config import config_weights
from lightning_autobalance.balancing.base import CallCounter
from lightning_autobalance.shapes import Gradient, Jacobian
from lightning_autobalance.utils.arguments import check_interval, check_positive


@final
class MConFIG(CallCounter, Aggregator):
    r"""Momentum ConFIG: each step updates the momentum of one term, in turn, and combines the momenta of all.

    With bias-corrected momenta :math:`\hat m_j`, :math:`c = \mathrm{ConFIG}(\hat m_1, \ldots)`, and the second moment s
    of the pseudo-gradient q that would have produced this momentum,

    .. math:: q = \frac{c (1 - \beta_1^T) - \beta_1 F}{1 - \beta_1}, \quad
        s \leftarrow \beta_2 s + (1 - \beta_2) q^2, \quad g = \frac{c}{\sqrt{s / (1 - \beta_2^T)} + \epsilon}

    The result is an Adam update already: combine it with ``torch.optim.SGD``. A step differentiates one term instead of
    m, so compare runs at equal numbers of gradients. The first m - 1 steps move nothing.

    Args:
        betas: Decay rates of the first and second moments, in [0, 1).
        eps: Added to the square root.

    Raises:
        ValueError: If a rate is not in [0, 1), or ``eps`` is not finite and positive.

    Reference:
        Liu, Chu and Thuerey, ConFIG, ICLR 2025, algorithm 1.

    Note:
        On logged steps all terms are differentiated, for the log.
    """

    momenta: Tensor
    fake: Tensor
    second: Tensor

    def __init__(self, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        super().__init__()
        for i, beta in enumerate(betas):
            check_interval(f"betas[{i}]", beta, 0, 1)
        check_positive("eps", eps)
        self.betas = betas
        self.eps = eps
        for name in ("momenta", "fake", "second"):
            self.register_buffer(name, torch.empty(0))

    def rows_needed(self, m: int) -> Sequence[int]:
        """The term whose turn it is."""
        return [self._calls % m]

    def forward(self, jacobian: Jacobian) -> Gradient:
        """The update for plain SGD: (m, n) to (n,)."""
        m, beta = len(jacobian), self.betas[0]
        if not self.momenta.numel():
            self.momenta, self.fake = torch.zeros_like(jacobian), torch.zeros_like(jacobian[0])
            self.second = torch.zeros_like(self.fake)
        turn = self._calls % m
        self._calls += 1
        self.momenta[turn].lerp_(jacobian[turn].nan_to_num(0.0, 0.0, 0.0), 1 - beta)
        if self._calls < m:
            return torch.zeros_like(self.fake)
        counts = [self._calls // m + (i < self._calls % m) for i in range(m)]
        corrections = torch.tensor([1 - beta**count for count in counts], dtype=jacobian.dtype)
        combined = _conflict_free(self.momenta / corrections.to(jacobian.device)[:, None])
        return self._preconditioned(combined, self._calls - m + 1)

    def _preconditioned(self, combined: Gradient, steps: int) -> Gradient:
        beta1, beta2 = self.betas
        momentum = combined * (1 - beta1**steps)
        gradient = (momentum - beta1 * self.fake) / (1 - beta1)
        self.fake = momentum
        self.second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        return combined / ((self.second / (1 - beta2**steps)).sqrt() + self.eps)


def _conflict_free(rows: Jacobian) -> Gradient:
    wide = rows.to(torch.float64)
    gram = (wide @ wide.T).cpu()
    usable = gram.diagonal() > 0
    weights = torch.zeros(len(rows), dtype=torch.float64)
    if usable.any():
        weights[usable] = config_weights(gram[usable][:, usable])
    return weights.to(rows) @ rows
