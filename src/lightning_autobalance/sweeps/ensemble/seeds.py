"""`SeedEnsemble`: several runs of one problem at once, one per seed."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.seed import seed_everything
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lightning_autobalance.module import PINNModule
from lightning_autobalance.step import NonFiniteError
from lightning_autobalance.sweeps.ensemble.meeting import Companion, Meeting
from lightning_autobalance.sweeps.ensemble.turns import Stopped, Turns
from lightning_autobalance.sweeps.ensemble.world import World
from lightning_autobalance.together import together

LARGE, FEW = 1000, 3  # points of a run beyond which, and seeds below which, a CPU gains nothing: bench/ensemble_cost.py
Made = tuple[Trainer, PINNModule, LightningDataModule | None]


@dataclass
class SeedRun:
    """One run of an ensemble, ready to be trained.

    Args:
        seed: Its name.
        trainer: Of this run alone, with callbacks and loggers of its own.
        module: Is trained.
        data: Its points.
        world: The random numbers that it goes on from.
        options: More arguments of ``Trainer.fit``, such as the ``ckpt_path`` of a checkpoint of this run.
    """

    seed: int
    trainer: Trainer
    module: PINNModule
    data: LightningDataModule | None
    world: World
    options: Mapping[str, Any]

    @classmethod
    def now(
        cls, seed: int, trainer: Trainer, module: PINNModule, data: LightningDataModule | None, **options: Any
    ) -> "SeedRun":
        """A run that has just been built, under its own seed.

        Args:
            seed: Its name.
            trainer: Of this run alone.
            module: Is trained.
            data: Its points.
            **options: More arguments of ``Trainer.fit``.
        """
        return cls(seed, trainer, module, data, World.now().apart(), options)

    def fit(self) -> None:
        """Train it, as it would be alone."""
        self.trainer.fit(self.module, datamodule=self.data, **self.options)


class SeedEnsemble:
    r"""Trains k runs that differ in their seed at once, each to the result that it would have alone, up to rounding.

    The parameters of all runs stand side by side, (k, \*shape), and the residuals and the gradients of all loss terms
    are computed for all runs in one pass. Everything else is the run's own: Trainer, points, variant, balancer,
    optimizer, schedule, callbacks, logs and checkpoints. Where residuals cannot be stacked, the runs are trained one
    after the other, with a warning that says why.

    Args:
        runs: One per seed, built each under its own seed; see `of`.

    Attributes:
        unstacked: Why residuals were not stacked; None where they were.

    Raises:
        ValueError: If there are none, a seed appears twice, or two runs share their Trainer, module or data.
        MisconfigurationException: If the modules differ in class or in the shapes of their parameters, one is to be
            compiled, or a Trainer uses several processes.

    Note:
        A run whose loss or gradients are not finite ends, the others go on, and the error comes at the end. Any other
        error ends all runs. Python's own module ``random`` is shared by all runs; torch's and numpy's random numbers
        are not.
    """

    def __init__(self, runs: Sequence[SeedRun]) -> None:
        if not runs:
            raise ValueError("`runs` must hold at least one run, got none.")
        _check_distinct(runs)
        for run in runs:
            _check_trainer(run.trainer)
            _check_like_first(run, runs[0])
        self.runs = list(runs)
        self.unstacked: str | None = None

    @classmethod
    def of(
        cls,
        make: Callable[[int], Made],
        seeds: Sequence[int],
        ckpt_paths: Mapping[int, str | Path] | None = None,
    ) -> "SeedEnsemble":
        """Build the runs one after the other, each after ``seed_everything(seed)``.

        Args:
            make: From a seed to a Trainer, a module and its points, all new.
            seeds: One per run.
            ckpt_paths: Checkpoints to go on from, by seed.
        """
        before, runs = World.now().apart(), []
        for seed in seeds:
            seed_everything(seed, workers=True, verbose=False)
            trainer, module, data = make(seed)
            runs.append(SeedRun.now(seed, trainer, module, data, ckpt_path=(ckpt_paths or {}).get(seed)))
        before.enter()
        return cls(runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of all runs, in their order."""
        return tuple(run.seed for run in self.runs)

    def fit(self, stack: bool | None = None) -> None:
        """Train all runs to their ends.

        Args:
            stack: Whether to compute residuals and gradients of all runs in one pass. By default on every accelerator,
                and on a CPU for at least three runs of no more than 1,000 points each: with more, its caches hold one
                run only, and stacked passes take longer.

        Raises:
            NonFiniteError: If runs ended because of a loss or a gradient; names their seeds.
            Exception: Whatever ended all runs; names the seed.
        """
        meeting = Meeting(self._no_gain() if stack is None else None if stack else "not asked for")
        _warn_of_own_losses(self.runs[0].module)
        turns = Turns(meeting.answer)
        functions = [partial(_train, run, Companion(i, turns)) for i, run in enumerate(self.runs)]
        with _passing_on_sigterm([run.trainer for run in self.runs]):
            turns.play(functions, [run.world for run in self.runs], endures=NonFiniteError)
        self.unstacked = meeting.reason
        self._raise({self.runs[player].seed: error for player, error in sorted(turns.errors.items())})

    def errors(self) -> dict[str, list[float]]:
        """What each run's last validation gave, such as ``val/rel_l2``, in the order of the seeds."""
        names = [name for name in self.runs[0].trainer.callback_metrics if name.startswith("val/")]
        missing = torch.tensor(float("nan"))
        return {name: [float(r.trainer.callback_metrics.get(name, missing)) for r in self.runs] for name in names}

    def _no_gain(self) -> str | None:
        first = self.runs[0]
        count = sum(getattr(first.data, "counts", {}).values())
        if first.trainer.strategy.root_device.type != "cpu" or (count <= LARGE and len(self.runs) >= FEW):
            return None
        reason = f"{count:,} points of a run, on a CPU" if count > LARGE else f"{len(self.runs)} seeds, on a CPU"
        rank_zero_info(
            f"In every step the seeds are computed one after the other: {reason}, take no less time stacked."
        )
        return reason

    def _raise(self, errors: Mapping[int, BaseException]) -> None:
        found = {seed: error for seed, error in errors.items() if not isinstance(error, Stopped)}
        if not found:
            return
        diverged = {seed: error for seed, error in found.items() if isinstance(error, NonFiniteError)}
        if len(diverged) == len(found):
            text = " ".join(f"Seed {seed}: {error}" for seed, error in diverged.items())
            raise NonFiniteError(text) from next(iter(diverged.values()))
        seed, error = next((seed, error) for seed, error in found.items() if seed not in diverged)
        if isinstance(error, MisconfigurationException):
            raise MisconfigurationException(f"Seed {seed}: {error}") from error
        error.add_note(f"This was the run of seed {seed}.")
        raise error


def _train(run: SeedRun, companion: Companion) -> None:
    with together(companion):
        run.fit()


@contextmanager
def _passing_on_sigterm(trainers: Sequence[Trainer]) -> Iterator[None]:
    """Lightning listens in the main thread only: tell the Trainers in the others."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def tell(number: int, frame: Any) -> None:
        for trainer in trainers:
            trainer._signal_connector.received_sigterm = True
        if callable(before):
            before(number, frame)

    before = signal.signal(signal.SIGTERM, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_distinct(runs: Sequence[SeedRun]) -> None:
    seeds = [run.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"`seeds` must differ from each other, got {seeds}.")
    for name in ("trainer", "module", "data"):
        objects = [getattr(run, name) for run in runs if getattr(run, name) is not None]
        if len({id(each) for each in objects}) < len(objects):
            raise ValueError(
                f"`make` must build a new {name} for every seed, got the same one twice. Build all three within it."
            )


def _check_trainer(trainer: Trainer) -> None:
    if trainer.world_size > 1 or not isinstance(trainer.strategy, SingleDeviceStrategy):
        raise MisconfigurationException(
            f"`strategy` must be a single device where several seeds are trained at once, got "
            f"{type(trainer.strategy).__name__} with {trainer.world_size} process(es). Take `--trainer.devices 1`, or "
            "train the seeds one by one."
        )


def _check_like_first(run: SeedRun, first: SeedRun) -> None:
    if type(run.module) is not type(first.module):
        raise MisconfigurationException(
            f"All modules of an ensemble must be of one class, got {type(first.module).__name__} and "
            f"{type(run.module).__name__}."
        )
    if run.module.passes.compiled is not None:
        raise MisconfigurationException(
            "`compile` must be left out where several seeds are trained at once, got True: the stacked passes are not "
            "compiled. Leave it out, or train the seeds one by one."
        )
    mine, theirs = ({n: p.shape for n, p in each.module.named_parameters()} for each in (run, first))
    if mine != theirs:
        raise MisconfigurationException(
            f"All modules of an ensemble must have parameters of the same names and shapes, those of seed {run.seed} "
            f"differ from those of seed {first.seed}. Let `make` depend on the seed by its random numbers only."
        )


def _warn_of_own_losses(module: PINNModule) -> None:
    if module.has_own_losses:
        rank_zero_warn(
            "The seeds are trained one after the other, which takes as long as single runs: "
            f"{type(module).__name__} has `losses` of its own, which cannot be stacked. Write `residuals` instead."
        )
