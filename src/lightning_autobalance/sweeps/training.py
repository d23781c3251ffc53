"""One run of a sweep: what it trains with, and what it tells."""

import json
import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_autobalance.sweeps.runs import Run, claim

if TYPE_CHECKING:
    import torch


class ErrorHistory(Callback):
    """Keeps the errors and the latest logged values of every validation; part of the checkpoint."""

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
        """Go on with the rows of a checkpoint."""
        self.rows, self.seconds = state_dict["rows"], state_dict["seconds"]


def execute(run: Run) -> dict[str, Any]:
    """Train one run on one thread, from its last checkpoint where there is one, and describe it.

    Args:
        run: What to train.

    Returns:
        The line for the results file.
    """
    import torch

    from lightning_autobalance.cli.lightning_cli import run as command

    claim(run)
    torch.set_num_threads(1)
    last = run.folder / "checkpoints" / "last.ckpt"
    cli = command([*_command_line(run), *(["--ckpt_path", str(last)] if last.exists() else [])])
    metrics = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    history = next(callback for callback in cli.trainer.callbacks if isinstance(callback, ErrorHistory))  # type: ignore[attr-defined]
    latest = cli.model.latest
    if "val/mse" not in metrics:  # it had ended, and the sweep was killed before it wrote the line
        metrics = latest = history.rows[-1]
    return {
        "problem": run.problem,
        "variant": run.variant,
        "method": run.method,
        "seed": run.seed,
        "iterations": cli.trainer.global_step,
        "mse": metrics["val/mse"],
        "linf": metrics["val/linf"],
        "rel_l2": metrics["val/rel_l2"],
        "losses": {name.removeprefix("loss/"): v for name, v in latest.items() if name.startswith("loss/")},
        "configs": list(run.configs),
        "options": list(run.options),
        "seconds": round(history.seconds, 1),
        "history": history.rows,
        "device": _device_name(cli.trainer.strategy.root_device),
        "versions": {name: version(name) for name in ("lightning-autobalance", "lightning", "torch", "numpy", "scipy")},
        "python": platform.python_version(),
        "commit": _commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _command_line(run: Run) -> list[str]:
    configs = [word for config in run.configs for word in ("--config", config)]
    checkpoint = {
        "class_path": "ModelCheckpoint",
        "init_args": {
            "dirpath": str(run.folder / "checkpoints"),
            "save_last": True,
            "enable_version_counter": False,
        },
    }
    callbacks = [
        checkpoint,
        {"class_path": "lightning_autobalance.callbacks.BalanceMonitor"},
        {"class_path": "lightning_autobalance.sweeps.training.ErrorHistory"},
    ]
    return [
        "fit",
        *configs,
        f"--seed_everything={run.seed}",
        f"--trainer.max_steps={run.iterations}",
        f"--trainer.default_root_dir={run.folder}",
        f"--trainer.callbacks={json.dumps(callbacks)}",
        "--trainer.logger=false",
        "--trainer.enable_progress_bar=false",
        "--default_callbacks=false",
        *run.options,
    ]


def _device_name(device: "torch.device") -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _commit() -> str:
    if named := os.environ.get("GIT_COMMIT"):  # where the code runs without its repository
        return named
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
