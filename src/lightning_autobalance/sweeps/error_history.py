"""`ErrorHistory`: the errors of a run over its steps."""

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class ErrorHistory(Callback):
    """Keeps the validation metrics, the last logged values and the seconds of training; part of the checkpoint."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.seconds = 0.0
        self._since = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start the clock."""
        self._since = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add a row."""
        if trainer.sanity_checking:
            return
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        errors = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        self.rows.append({"step": trainer.global_step, **errors, **getattr(pl_module, "latest", {})})

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the rows of a checkpoint."""
        self.rows, self.seconds = state_dict["rows"], state_dict["seconds"]
