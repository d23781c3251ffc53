"""Run a list of configurations over seeds; results go to append-only JSON lines."""

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console

if TYPE_CHECKING:
    import torch

WORK = Path("runs/bench")  # checkpoints and logs of unfinished runs; a restarted sweep goes on from them


@dataclass(frozen=True)
class Run:
    """One training: a stack of configurations and a seed.

    Args:
        problem: Name in the results, such as ``helmholtz_2d``.
        method: Name in the results, such as ``auto_adamw``.
        seed: Of the weights, the points and the measurements.
        iterations: Optimizer steps.
        configs: YAML files, later ones override earlier ones.
        options: Further command line options.
        variant: Name in the results.
    """

    problem: str
    method: str
    seed: int
    iterations: int
    configs: tuple[str, ...]
    options: tuple[str, ...] = ()
    variant: str = "plain"

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """What makes a run the same run."""
        return self.problem, self.variant, self.method, self.seed, self.iterations

    @property
    def folder(self) -> Path:
        """Where its checkpoints and logs lie while it runs."""
        return WORK / "-".join(str(part) for part in self.key)


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

    from lightning_autobalance.lightning_cli import run as command

    torch.set_num_threads(1)
    last = run.folder / "checkpoints" / "last.ckpt"
    cli = command([*_command_line(run), *(["--ckpt_path", str(last)] if last.exists() else [])])
    metrics = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    history = next(callback for callback in cli.trainer.callbacks if isinstance(callback, ErrorHistory))  # type: ignore[attr-defined]
    return {
        "problem": run.problem,
        "variant": run.variant,
        "method": run.method,
        "seed": run.seed,
        "iterations": cli.trainer.global_step,
        "mse": metrics["val/mse"],
        "linf": metrics["val/linf"],
        "rel_l2": metrics["val/rel_l2"],
        "losses": {name.removeprefix("loss/"): v for name, v in cli.model.latest.items() if name.startswith("loss/")},
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
        {"class_path": "lightning_autobalance.bench.experiments.ErrorHistory"},
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


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a results file; none where it does not exist."""
    if path.exists():
        yield from (json.loads(line) for line in path.read_text().splitlines() if line.strip())


def missing(runs: Iterable[Run], path: Path) -> list[Run]:
    """The runs that a results file does not hold yet.

    Args:
        runs: All that are wanted.
        path: The results file.
    """
    done = {(r["problem"], r["variant"], r["method"], r["seed"], r["iterations"]) for r in read(path)}
    return [run for run in runs if run.key not in done]


def sweep(runs: list[Run], path: Path, workers: int) -> None:
    """Train what is missing and append each result as it comes.

    Args:
        runs: All that are wanted, the most important first.
        path: The results file.
        workers: Processes at once, one thread each.

    Raises:
        SystemExit: With status 1 at the end, where runs failed.
    """
    console = Console()
    path.parent.mkdir(parents=True, exist_ok=True)
    todo = missing(runs, path)
    console.print(f"{len(runs) - len(todo)} of {len(runs)} runs are in {path}; training {len(todo)}.")
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        futures = {pool.submit(execute, run): run for run in todo}
        failed = 0
        for future in as_completed(futures):
            if error := future.exception():  # one run that diverges costs one run
                failed += 1
                console.print(f"{futures[future].key}: {type(error).__name__}: {error}", markup=False)
                continue
            result = future.result()
            with path.open("a") as file:
                file.write(json.dumps(result) + "\n")
            console.print(f"{futures[future].key}: mse {result['mse']:.3g}, linf {result['linf']:.3g}")
    if failed:
        raise SystemExit(f"{failed} of {len(todo)} runs failed; see above. They are tried again at the next start.")


def options() -> argparse.ArgumentParser:
    """The command line that every sweep shares: ``--out``, ``--workers``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=1, help="runs at once, one thread each")
    parser.add_argument("--out", type=Path, help="results file, appended to")
    return parser
