"""`SeedEnsemble`: trains several runs of one problem, one per seed, as `fit --seeds 0 1 2` does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.seed import seed_everything
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.seed import isolate_rng

from lightning_autobalance.module import PINNModule
from lightning_autobalance.step import NonFiniteError

Made = tuple[Trainer, PINNModule, LightningDataModule | None]


@dataclass
class SeedRun:
    """The run of one seed, built but not necessarily trained.

    Args:
        seed: Given to ``seed_everything`` before the run was built.
        trainer: Of this run alone, with callbacks and loggers of its own.
        module: The module to train.
        data: Its points; None for a module with dataloaders of its own.
        options: More arguments of ``Trainer.fit``, such as ``ckpt_path``.
    """

    seed: int
    trainer: Trainer
    module: PINNModule
    data: LightningDataModule | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def fit(self) -> None:
        """Train to the end."""
        self.trainer.fit(self.module, datamodule=self.data, **self.options)


class SeedEnsemble:
    """Runs that differ in their seed, trained one after the other.

    Each run is built right before it is trained, after ``seed_everything(seed)``, and ends with the result of a single
    run of that seed, to the last bit. The random state of the caller is restored at the end.

    Args:
        build: From a seed to its run; called after ``seed_everything(seed)``. See `of`.
        seeds: One per run, all different.

    Attributes:
        seeds: One per run, in the order of training.
        runs: Those built so far, in the order of ``seeds``; all of them after `fit`.

    Raises:
        ValueError: If there are no seeds, or one appears twice.
    """

    def __init__(self, build: Callable[[int], SeedRun], seeds: Sequence[int]) -> None:
        if not seeds:
            raise ValueError("`seeds` must hold at least one seed, got none.")
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"`seeds` must differ from each other, got {list(seeds)}.")
        self.seeds = tuple(seeds)
        self.runs: list[SeedRun] = []
        self._build = build

    @classmethod
    def of(
        cls,
        make: Callable[[int], Made],
        seeds: Sequence[int],
        ckpt_paths: Mapping[int, str | Path] | None = None,
    ) -> "SeedEnsemble":
        """An ensemble from a function that builds Trainer, module and data.

        Args:
            make: From a seed to a Trainer, a module and its points, all new; called after ``seed_everything(seed)``.
            seeds: One per run, all different.
            ckpt_paths: Checkpoints to resume from, by seed; seeds that are not in it start from the beginning.
        """

        def build(seed: int) -> SeedRun:
            return SeedRun(seed, *make(seed), {"ckpt_path": (ckpt_paths or {}).get(seed)})

        return cls(build, seeds)

    def fit(self) -> None:
        """Build and train all runs.

        A run whose loss or gradients are not finite ends alone. Any other error ends all runs, as do Ctrl-C and
        SIGTERM, after which the run under way has saved its last checkpoint if it keeps one.

        Raises:
            NonFiniteError: After all runs have ended, if any was not finite; names their seeds.
            ValueError: If two runs share their Trainer, module or data.
            MisconfigurationException: If a Trainer uses several processes, or refuses its configuration.
            Exception: Whatever else ended a run, with a note that names the seed.
        """
        self.runs, diverged = [], {}
        with isolate_rng(include_cuda=torch.cuda.is_initialized()):  # type: ignore[no-untyped-call]
            for number, seed in enumerate(self.seeds, start=1):
                rank_zero_info(f"Seed {seed}: run {number} of {len(self.seeds)}.")
                try:
                    self._build_next(seed).fit()
                except NonFiniteError as error:
                    diverged[seed] = error
                except MisconfigurationException as error:
                    raise MisconfigurationException(f"Seed {seed}: {error}") from error
                except Exception as error:
                    error.add_note(f"This was the run of seed {seed}.")
                    raise
        if diverged:
            raise non_finite(diverged) from next(iter(diverged.values()))

    def errors(self) -> dict[str, list[float]]:
        """The last validation metrics of each run, such as ``val/rel_l2``, in the order of the runs; NaN where none."""
        metrics = [run.trainer.callback_metrics for run in self.runs]
        names = dict.fromkeys(name for found in metrics for name in found if name.startswith("val/"))
        return {name: [float(found.get(name, torch.nan)) for found in metrics] for name in names}

    def _build_next(self, seed: int) -> SeedRun:
        seed_everything(seed, workers=True, verbose=False)
        run = self._build(seed)
        _check_trainer(run.trainer)
        self.runs.append(run)
        _check_distinct(self.runs)
        return run


def non_finite(errors: Mapping[int, object]) -> NonFiniteError:
    """One error for all runs that were not finite.

    Args:
        errors: Error or its text, by seed.
    """
    return NonFiniteError(" ".join(f"Seed {seed}: {error}" for seed, error in errors.items()))


def _check_distinct(runs: Sequence[SeedRun]) -> None:
    for name in ("trainer", "module", "data"):
        objects = [getattr(run, name) for run in runs if getattr(run, name) is not None]
        if len({id(each) for each in objects}) < len(objects):
            raise ValueError(
                f"`make` must build a new {name} for every seed, got the same one twice. Build all three within it."
            )


def _check_trainer(trainer: Trainer) -> None:
    if trainer.world_size > 1 or not isinstance(trainer.strategy, SingleDeviceStrategy):
        raise MisconfigurationException(
            f"`strategy` must be a single device where several seeds are trained, got "
            f"{type(trainer.strategy).__name__} with {trainer.world_size} process(es). Take `--trainer.devices 1`, or "
            "train the seeds one by one."
        )
