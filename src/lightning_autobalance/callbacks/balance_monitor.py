"""What the loss terms do to each other, from two small Gram matrices per logged step."""

from itertools import combinations
from typing import TYPE_CHECKING

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from lightning_autobalance.jacobian import gramian
from lightning_autobalance.module import PINNModule
from lightning_autobalance.optim import PostCombine
from lightning_autobalance.shapes import Gramian

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle


class BalanceMonitor(Callback):
    r"""Logs norms, pairwise ratios and cosines of the terms' gradients and of their updates.

    From the Gram matrix :math:`K = J J^T` of the gradients (m, m), and the same of the updates that each term's own
    optimizer state makes: norms :math:`\sqrt{K_{ii}}`, ratios :math:`\sqrt{K_{ii} / K_{jj}}` and cosines
    :math:`K_{ij} / \sqrt{K_{ii} K_{jj}}`. Updates exist only where the optimizer is post-combine.

    The keys are ``balance/grad_norm/<term>``, ``balance/grad_ratio/<a>_x_<b>``, ``balance/grad_cos/<a>_x_<b>`` and the
    same with ``update``. Nothing is computed on steps that are not logged (``Trainer(log_every_n_steps=...)``).

    Reference:
        The AutoBalance paper, section 3.3 and figure 2.
    """

    def __init__(self) -> None:
        self._handle: RemovableHandle | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen to the updates of a post-combine optimizer."""
        module = _pinn(pl_module)
        for optimizer in trainer.optimizers:
            if isinstance(optimizer, PostCombine):
                self._handle = optimizer.register_update_hook(
                    lambda _params, deltas: self._record(module, "update", deltas)
                )

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:  # noqa: ARG002
        """Record the gradients, which lie on the parameters as ``jac``."""
        blocks = [p.jac for g in optimizer.param_groups for p in g["params"] if getattr(p, "jac", None) is not None]
        self._record(_pinn(pl_module), "grad", blocks)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Stop listening."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def _record(self, module: PINNModule, what: str, blocks: list[Tensor]) -> None:
        if not module.logs_this_step:
            return
        for name, value in balance(gramian(blocks), module.terms, what).items():
            module.record(name, value)


def balance(gram: Gramian, terms: tuple[str, ...], what: str) -> dict[str, Tensor]:
    """Norms, ratios and cosines that follow from a Gram matrix.

    Args:
        gram: Inner products of one vector per term, (m, m).
        terms: The terms' names, in the order of the rows.
        what: Name of the vectors in the keys: "grad" or "update".

    Returns:
        0-dim tensors by key. A ratio with a zero vector is infinite or NaN, a cosine with one is 0.
    """
    norms = gram.diagonal().clamp(min=0.0).sqrt()
    entries = {f"balance/{what}_norm/{term}": norm for term, norm in zip(terms, norms, strict=True)}
    for i, j in combinations(range(len(terms)), 2):
        pair = f"{terms[i]}_x_{terms[j]}"
        product = norms[i] * norms[j]
        cosine = torch.where(product > 0, gram[i, j] / product, 0.0)
        entries[f"balance/{what}_ratio/{pair}"] = norms[i] / norms[j]
        entries[f"balance/{what}_cos/{pair}"] = cosine.clamp(-1.0, 1.0)
    return entries


def _pinn(module: LightningModule) -> PINNModule:
    if not isinstance(module, PINNModule):
        raise MisconfigurationException(f"`BalanceMonitor` must watch a `PINNModule`, got {type(module).__name__}.")
    return module
