"""What to look at, and what to type, after a run."""

from pathlib import Path
from shlex import quote

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger

from lightning_autobalance.callbacks.figures import run_folder


def next_commands(trainer: Trainer) -> dict[str, str]:
    """By what it does: a folder, or a command to copy.

    Args:
        trainer: At the end of ``fit``.
    """
    folder = run_folder(trainer)
    found = {"pictures": str(folder / "plots")} if (folder / "plots").is_dir() else {}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            found["curves"] = f"tensorboard --logdir {quote(str(logger.save_dir))}"
    config, last = folder / "config.yaml", last_path(trainer)
    if config.is_file() and last:  # a run of the command line
        given = f"--config {quote(str(config))} --ckpt_path {quote(last)}"
        if trainer.max_steps > 0:
            found["go on"] = f"lightning-autobalance fit {given} --trainer.max_steps {2 * trainer.max_steps}"
        found["predict"] = f"lightning-autobalance predict {given}"
    return found


def last_path(trainer: Trainer) -> str:
    """The checkpoint that a run goes on from; empty without one.

    Args:
        trainer: At the end of ``fit``.
    """
    found = [each for each in trainer.checkpoint_callbacks if isinstance(each, ModelCheckpoint)]
    paths = [each.last_model_path for each in found] + [each.best_model_path for each in found]
    return next((str(path) for path in paths if path), "")


def states(trainer: Trainer, validated_at: int | None) -> dict[str, str]:
    """Which state of the network the numbers of a table are of.

    Args:
        trainer: At the end of ``fit``.
        validated_at: Step of the last validation; None if there was none.
    """
    every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
    step, rows = trainer.global_step, {}
    if every > 0 and step > 0:
        rows["losses"] = f"after step {(step - 1) // every * every:,}, the last that was logged"
    if validated_at is not None:
        averaged = any(isinstance(each, WeightAveraging) for each in trainer.callbacks)  # type: ignore[attr-defined]
        rows["errors"] = f"after step {validated_at:,}" + (", of the averaged weights" if averaged else "")
    for each in trainer.checkpoint_callbacks:
        if isinstance(each, ModelCheckpoint):
            saved = each._last_global_step_saved
            if each.last_model_path:
                rows[Path(each.last_model_path).name] = f"after step {saved:,}"
            if each.monitor and each.best_model_path and each.best_model_score is not None:
                best = Path(each.best_model_path).name
                rows[f"best {each.monitor}"] = f"{float(each.best_model_score):.3e}, in {best}"
    return rows
