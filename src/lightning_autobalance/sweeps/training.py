"""One run of a sweep: its command line, and its line in the results file."""

import json
import os
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lightning_autobalance.sweeps.runs import Run, claim

if TYPE_CHECKING:
    import torch

Command = Callable[[list[str]], Any]  # runs a command line; gives the LightningCLI with its trainer and model


def execute(run: Run, command: Command) -> dict[str, Any]:
    """Train one run on one thread, from its last checkpoint where there is one, and describe it.

    Args:
        run: Its folder holds its checkpoints.
        command: Called in this process with the command line of `fit`.

    Returns:
        The line for the results file.
    """
    import torch

    from lightning_autobalance.sweeps.error_history import ErrorHistory

    claim(run)
    torch.set_num_threads(1)
    last = run.folder / "checkpoints" / "last.ckpt"
    cli = command([*_command_line(run), *(["--ckpt_path", str(last)] if last.exists() else [])])
    metrics = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    history = next(callback for callback in cli.trainer.callbacks if isinstance(callback, ErrorHistory))
    latest = cli.model.latest
    if "val/mse" not in metrics:  # the run had ended, but the sweep was killed before it wrote the line
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
        {"class_path": "lightning_autobalance.sweeps.error_history.ErrorHistory"},
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
