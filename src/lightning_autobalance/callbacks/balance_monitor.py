"""How the gradients and the updates of the loss terms relate, from two m x m Gram matrices per logged step."""

from collections.abc import Mapping
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from lightning_autobalance.callbacks.balance_statistics import BalanceStatistics
from lightning_autobalance.callbacks.surviving_descent import EndOfDescent, descent_numbers
from lightning_autobalance.jacobian import gramian
from lightning_autobalance.optim import PostCombine
from lightning_autobalance.shapes import Gramian
from lightning_autobalance.training.due_steps import next_logged_step

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle


@runtime_checkable
class Recorder(Protocol):
    """What the monitor needs from a module; every ``PINNModule`` provides it."""

    terms: tuple[str, ...]
    """Names of the loss terms, in the order of the rows of ``p.jac``."""
    logs_this_step: bool
    """Whether the current step is logged."""

    def record(self, name: str, value: Tensor) -> None:
        """Add a scalar, (), to what is logged for this step."""


class BalanceMonitor(Callback):
    r"""Logs norms, pairwise ratios and pairwise cosines of the terms' gradients and of their updates.

    All follow from the Gram matrix :math:`K = J J^T` of the gradients, (m, m), and from that of the updates by each
    term's own optimizer state: norms :math:`\sqrt{K_{ii}}`, ratios :math:`\sqrt{K_{ii} / K_{jj}}` and cosines
    :math:`K_{ij} / \sqrt{K_{ii} K_{jj}}`. Only post-combine optimizers have updates per term.

    Of the updates' sum, ``balance/surviving_descent`` is what is left of the descent that each makes by itself, and
    ``balance/cancelled_share`` what is lost of their lengths; see `descent_numbers`. Near 0 and near 1 the terms stand
    still together, whatever their gradients.

    The keys are ``balance/grad_norm/<term>``, ``balance/grad_ratio/<a>_x_<b>``, ``balance/grad_cos/<a>_x_<b>``, the
    same with ``update``, and ``balance/weight/<term>`` if a balancer has weights. Nothing is computed on steps that are
    not logged (``Trainer(log_every_n_steps=...)``). The attribute ``statistics`` holds means over the logged steps of
    the run, under "grad" and "update", and ``descent`` the surviving descent at its end.

    Reference:
        The AutoBalance paper, section 3.3 and figure 2.
    """

    def __init__(self) -> None:
        self.statistics = {"grad": BalanceStatistics(), "update": BalanceStatistics()}
        self.descent = EndOfDescent()
        self._handle: RemovableHandle | None = None
        self._every = 1

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Reset the statistics; those of a checkpoint are loaded afterwards."""
        if stage == "fit":
            self._every = trainer.log_every_n_steps  # type: ignore[attr-defined]
            self.statistics = {"grad": BalanceStatistics(), "update": BalanceStatistics()}
            self.descent = EndOfDescent()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Register a hook that receives the updates of a post-combine optimizer."""
        module = _recorder(pl_module)
        for optimizer in trainer.optimizers:
            if isinstance(optimizer, PostCombine):
                self._handle = optimizer.register_update_hook(partial(_record_updates, self, module, optimizer))

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:  # noqa: ARG002
        """Record the gradients, which the parameters hold as ``jac``, and the weights of the balancer."""
        if not getattr(pl_module, "logs_this_step", True):  # without the checks below, which cost more than the rest
            return
        blocks = [p.jac for g in optimizer.param_groups for p in g["params"] if getattr(p, "jac", None) is not None]
        module = _recorder(pl_module)
        self._record(module, "grad", blocks)
        weights = getattr(getattr(module, "balancer", None), "weights", None)
        if module.logs_this_step and weights is not None:
            for term, weight in zip(module.terms, weights, strict=True):
                module.record(f"balance/weight/{term}", weight)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Keep what a logged step has written, which the host knows by then."""
        if getattr(pl_module, "logs_this_step", False):
            self.descent.add(getattr(pl_module, "latest", {}))

    def next_due_step(self, step: int) -> int | None:
        """The next logged step; None if no step is logged."""
        return next_logged_step(step, self._every)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Remove the hook."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def state_dict(self) -> dict[str, Any]:
        """The statistics so far, for the checkpoint."""
        statistics = {kind: statistics.state_dict() for kind, statistics in self.statistics.items()}
        return {**statistics, "descent": self.descent.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore the statistics of a checkpoint."""
        for kind, statistics in self.statistics.items():
            statistics.load_state_dict(state_dict[kind])
        if "descent" in state_dict:  # older checkpoints have none
            self.descent.load_state_dict(state_dict["descent"])

    def _record(self, module: Recorder, kind: str, blocks: list[Tensor]) -> None:
        if not module.logs_this_step:
            return
        gram = gramian(blocks)
        self.statistics[kind].add(gram)
        for name, value in gram_statistics(gram, module.terms, kind).items():
            module.record(name, value)


def _record_updates(
    monitor: BalanceMonitor, module: Recorder, optimizer: PostCombine, params: list[Tensor], deltas: list[Tensor]
) -> None:
    if module.logs_this_step:
        monitor._record(module, "update", deltas)
        for name, value in descent_numbers(optimizer, params, deltas).items():
            module.record(name, value)


def gram_statistics(gram: Gramian, terms: tuple[str, ...], kind: str) -> dict[str, Tensor]:
    """Norms, pairwise ratios and pairwise cosines of m vectors, from their Gram matrix.

    Args:
        gram: Inner products of one vector per term, (m, m).
        terms: Names of the terms, in the order of the rows.
        kind: What the vectors are called in the keys: "grad" or "update".

    Returns:
        By key, each (). With a zero vector, a ratio is infinite or NaN, and a cosine is 0.
    """
    norms = gram.diagonal().clamp(min=0.0).sqrt()
    entries = {f"balance/{kind}_norm/{term}": norm for term, norm in zip(terms, norms, strict=True)}
    for i, j in combinations(range(len(terms)), 2):
        pair = f"{terms[i]}_x_{terms[j]}"
        product = norms[i] * norms[j]
        cosine = torch.where(product > 0, gram[i, j] / product, 0.0)
        entries[f"balance/{kind}_ratio/{pair}"] = norms[i] / norms[j]
        entries[f"balance/{kind}_cos/{pair}"] = cosine.clamp(-1.0, 1.0)
    return entries


def _recorder(module: LightningModule) -> Recorder:
    if not isinstance(module, Recorder):
        raise MisconfigurationException(
            "`BalanceMonitor` must watch a `PINNModule`, or another module with `terms`, `logs_this_step` and "
            f"`record`, got {type(module).__name__}."
        )
    return module
