"""M-ConFIG: ConFIG of momenta, one loss term per step."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from lightning_autobalance.balancing.aggregators.base import Aggregator
from lightning_autobalance.balancing.aggregators.config import config_weights
from lightning_autobalance.balancing.base import CountsCalls
from lightning_autobalance.shapes import Gradient, Jacobian


@final
class MConFIG(CountsCalls, Aggregator):
    r"""Momentum ConFIG: each step updates the momentum of one term in turn and combines those of all.

    With momenta :math:`\hat m_j` (bias corrected), :math:`c = \mathrm{ConFIG}(\hat m_1, \ldots)` and a second moment of
    the gradient that would have made that momentum,

    .. math:: q = \frac{c (1 - \beta_1^T) - \beta_1 F}{1 - \beta_1}, \quad
        s \leftarrow \beta_2 s + (1 - \beta_2) q^2, \quad g = \frac{c}{\sqrt{s / (1 - \beta_2^T)} + \epsilon}

    It is Adam already: put ``torch.optim.SGD`` behind it. A step differentiates one term, not m: compare at equal
    numbers of gradients. The first m - 1 steps move nothing.

    Args:
        betas: Decay rates of the first and the second moment.
        eps: Added to the root.

    Raises:
        ValueError: If a rate is not in [0, 1) or ``eps`` is not positive.

    Reference:
        Liu, Chu and Thuerey, ConFIG, ICLR 2025, algorithm 1.

    Note:
        On steps that are logged all terms are differentiated, for the log.
    """

    momenta: Tensor
    fake: Tensor
    second: Tensor

    def __init__(self, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        super().__init__()
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"`betas[{i}]` must be in [0, 1), got {beta}.")
        if not eps > 0:
            raise ValueError(f"`eps` must be > 0, got {eps}.")
        self.betas = betas
        self.eps = eps
        for name in ("momenta", "fake", "second"):
            self.register_buffer(name, torch.empty(0))

    def asks(self, count: int) -> Sequence[int]:
        """The term whose turn it is."""
        return [self._calls % count]

    def forward(self, jacobian: Jacobian) -> Gradient:
        """The step for plain SGD: (m, n) to (n,)."""
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
        combined = _config(self.momenta / corrections.to(jacobian.device)[:, None])
        return self._preconditioned(combined, self._calls - m + 1)

    def _preconditioned(self, combined: Gradient, steps: int) -> Gradient:
        beta1, beta2 = self.betas
        fake = combined * (1 - beta1**steps)
        gradient = (fake - beta1 * self.fake) / (1 - beta1)
        self.fake = fake
        self.second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        return combined / ((self.second / (1 - beta2**steps)).sqrt() + self.eps)


def _config(rows: Jacobian) -> Gradient:
    wide = rows.to(torch.float64)
    gram = (wide @ wide.T).cpu()
    usable = gram.diagonal() > 0
    weights = torch.zeros(len(rows), dtype=torch.float64)
    if usable.any():
        weights[usable] = config_weights(gram[usable][:, usable])
    return weights.to(rows) @ rows
