"""A layer that was frozen before the run, and that is unfrozen by hand in it, is in no optimizer."""

from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer


class CheckUnfrozen(Callback):
    """Refuses parameters that became trainable during a run and that the optimizer does not have."""

    def __init__(self) -> None:
        self._frozen: list[str] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Note what is frozen: a `configure_optimizers` of one's own may leave out others on purpose."""
        self._frozen = [name for name, p in pl_module.named_parameters() if not p.requires_grad]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Compare, before they would be left as they are.

        Raises:
            MisconfigurationException: If there is one.
        """
        if not self._frozen:
            return
        params = dict(pl_module.named_parameters())
        thawed = [name for name in self._frozen if name in params and params[name].requires_grad]
        if not thawed:
            return
        held = {p for optimizer in trainer.optimizers for group in optimizer.param_groups for p in group["params"]}
        for name in thawed:
            if params[name] not in held:
                raise MisconfigurationException(
                    f"`requires_grad` of {name} must not change to True where the optimizer does not have it, as at "
                    f"step {trainer.global_step}: it was frozen when the optimizer was made, and would not be trained. "
                    "Use Lightning's `BaseFinetuning`, call `add_param_group`, or freeze it in `on_train_start`."
                )

    def next_due_step(self, step: int) -> int | None:  # noqa: ARG002
        """None: what is compared before every call is enough, since whoever unfreezes ends the call before."""
        return None
