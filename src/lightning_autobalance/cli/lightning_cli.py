"""`LightningCLI` with our defaults, and with errors that are read in one line."""

import errno
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from signal import SIGTERM
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only, rank_zero_warn
from lightning.pytorch.utilities.exceptions import SIGTERMException
from rich.console import Console

from lightning_autobalance import __version__, balancing, nets, optim, points, problems, variants
from lightning_autobalance.callbacks import (
    BalanceMonitor,
    Dashboard,
    FitSummary,
    HistoryPlotter,
    LossProgressBar,
    Predictions,
    SolutionPlotter,
    UnknownParameters,
)
from lightning_autobalance.callbacks.forecast import Forecast
from lightning_autobalance.callbacks.seed_summary import (
    SeedResult,
    SeedSummary,
    seed_summaries,
    seeds_table,
    shared_sentences,
)
from lightning_autobalance.checks import check_trainer
from lightning_autobalance.cli import packaged_configs, seed_options
from lightning_autobalance.cli.ckpt_path import resolve
from lightning_autobalance.cli.data_class import names_data_class
from lightning_autobalance.cli.noise import without_noise
from lightning_autobalance.cli.parser import OneLineParser
from lightning_autobalance.cli.refused_runs import removing_folders_of_refused_runs
from lightning_autobalance.cli.seed_workers import SeedTask, stoppable, train_seeds
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.step import NonFiniteError
from lightning_autobalance.sweeps.seed_ensemble import SeedEnsemble, SeedRun
from lightning_autobalance.training.checkpoint_io import AtomicCheckpointIO, CheckpointWriteError
from lightning_autobalance.training.last_checkpoint import missing_checkpoint
from lightning_autobalance.utils.distributed import is_lost_process, lost_process

ROOMS = (balancing, nets, optim, points, problems, variants)  # imported, so that YAML may use their short names
UNHELPFUL_WARNINGS = (  # regular expressions; ignored during a run
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # raised by lightning 2.6.6 itself with torch 2.13
    r"The '.*_dataloader' does not have many workers",  # our loaders yield tensors that are ready
    r"Using ModelCheckpoint with manual optimization",  # as in automatic optimization, it saves after the step
    r"The dirpath has changed from",  # a resumed run has a folder of its own
    r"LightningCLI's args parameter is intended",  # `main([...])` in a script is documented
    r"\s*By default only one JsonargparseDeprecationWarning",  # raised by lightning 2.6.6 itself with jsonargparse 4.53
    r"\s*With fail_untyped=False, required parameters",
    r"(?s).*was deprecated in v4\.\d+\.\d+ and will\s+be\s+removed\s+in\s+v5",
)
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR)
KEYWORDS = ("best", "last", "hpc", "registry")  # Lightning looks up a checkpoint by these
UNNAMED = {"TensorBoardLogger": (None,), "CSVLogger": (None, "lightning_logs")}  # names where none was given
LOGGER = {
    "class_path": "lightning.pytorch.loggers.TensorBoardLogger",
    "init_args": {"save_dir": "runs", "name": None, "default_hp_metric": False},
}


class AutoBalanceCLI(LightningCLI):
    """`LightningCLI` for `PINNModule`: default callbacks, TensorBoard under ``runs/``, checked checkpoints."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options that `LightningCLI` does not have."""
        parser.add_argument(
            "--seeds",
            type=list[int] | None,
            default=None,
            help="With `fit`, train one run per seed, one after the other, as in `--seeds 0 1 2`: each is that of its "
            "`--seed_everything`, in a folder `seed_<n>`.",
        )
        parser.add_argument(
            "--workers",
            type=int,
            default=1,
            help="Train so many of the `--seeds` at once, each in a process of its own that takes its share of the "
            "threads. Above 1 it needs joblib.",
        )
        parser.add_argument(
            "--default_callbacks",
            type=bool,
            default=True,
            help="Add BalanceMonitor, Dashboard, SolutionPlotter, UnknownParameters, HistoryPlotter, Predictions, "
            "Forecast, FitSummary and a progress bar with the losses, each unless `trainer.callbacks` has one of its "
            "kind, and a ModelCheckpoint that keeps the last state, unless one of those has `save_last`.",
        )

    def before_instantiate_classes(self) -> None:
        """Name the run's folder after the problem; refuse float16 before Lightning turns it into something else."""
        config = self.config[self.subcommand]
        if config.trainer.barebones and getattr(config.trainer.logger, "init_args", None) is not None:
            config.trainer.logger = False  # the default one, which Lightning refuses there
        if str(config.trainer.precision) in ("16", "16-mixed"):
            self.parser.error(
                "`trainer.precision` must be 32-true, 64-true or bf16-mixed, got 16-mixed: its loss scaling knows only "
                "one summed gradient, and second derivatives overflow float16. Use 32-true, or bf16-mixed where speed "
                "matters more."
            )
        given = config.trainer.logger
        for logger in given if isinstance(given, list) else [given]:
            kind, own = getattr(logger, "class_path", "").rsplit(".", 1)[-1], getattr(logger, "init_args", None)
            if kind in UNNAMED and own is not None and own.get("name") in UNNAMED[kind]:
                own.name = config.model.class_path.rsplit(".", 1)[-1]

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Read the command line, and refuse seeds that cannot work."""
        super().parse_arguments(parser, args)
        self.ensemble: SeedEnsemble | None = None
        config = self.config[self.config.subcommand]
        self.seeds: list[int] | None = config.seeds
        line = sys.argv[1:] if args is None else args
        mistake = seed_options.find_mistake(self.seeds, config.workers, self.config.subcommand, line)
        if mistake is not None:
            self.parser.error(mistake)

    def instantiate_classes(self) -> None:
        """Build module, data and Trainer, except for several seeds: those are built when they are trained."""
        if self.seeds is None:
            self._instantiate()

    def _instantiate(self) -> None:
        try:
            super().instantiate_classes()
        except ValueError as error:  # a refused value is a mistake in the configuration
            self.parser.error(str(error), error)

    def _run_subcommand(self, subcommand: str) -> None:
        if self.seeds is None:
            with removing_folders_of_refused_runs(self.trainer):
                super()._run_subcommand(subcommand)
            return
        of_all = self.config
        seed_options.resolve_version(of_all[subcommand])
        if min(of_all[subcommand].workers, len(self.seeds)) > 1:
            self._fit_in_processes(of_all[subcommand], self.seeds)
            return
        self.ensemble = SeedEnsemble(lambda seed: self._seed_run(of_all, seed), self.seeds)
        try:
            self.ensemble.fit()
        except NonFiniteError:
            self._show_ensemble(self.ensemble)
            raise
        self._show_ensemble(self.ensemble)

    def _fit_in_processes(self, config: Any, seeds: list[int]) -> None:
        workers, results = min(config.workers, len(seeds)), []
        tasks = [self._seed_task(config.clone(), seed, max(1, torch.get_num_threads() // workers)) for seed in seeds]
        try:
            for result in train_seeds(tasks, workers, train_seed):
                results.append(result)
                rank_zero_info(f"Seed {result.seed}: ended, {len(results)} of {len(seeds)}.")
        except KeyboardInterrupt:
            sys.exit(1)  # as Lightning does
        except NonFiniteError:
            self._show_seeds(sorted(results, key=lambda result: seeds.index(result.seed)))
            raise
        self._show_seeds(sorted(results, key=lambda result: seeds.index(result.seed)))

    def _seed_task(self, config: Any, seed: int, threads: int) -> SeedTask:
        folder = seed_options.seed_folder(config, seed)
        config.seeds, config.workers, config.trainer.enable_progress_bar = [seed], 1, False
        if config.ckpt_path and self._seed_checkpoint(config.ckpt_path, seed) is None:
            config.ckpt_path = None
        return SeedTask(seed, self._parser(self.subcommand).dump(config, skip_none=False), folder, threads)

    def _seed_run(self, of_all: Any, seed: int) -> SeedRun:
        self.config = of_all.clone()
        config = self.config[self.subcommand]
        first = seed == config.seeds[0]
        config.seeds, config.workers, config.seed_everything = None, 1, seed
        if config.ckpt_path:
            config.ckpt_path = self._seed_checkpoint(config.ckpt_path, seed)
        seed_options.use_seed_folder(config, seed, first=first)
        self._instantiate()
        options = self._prepare_subcommand_kwargs("fit")
        return SeedRun(seed, self.trainer, options.pop("model"), options.pop("datamodule", None), options)

    def _seed_checkpoint(self, folder: str, seed: int) -> str | None:
        path = seed_options.last_checkpoint(folder, seed)
        if os.path.isfile(path):
            return path
        rank_zero_info(f"Seed {seed} has no checkpoint in {folder}: it starts from the beginning.")
        return None

    def _show_ensemble(self, ensemble: SeedEnsemble) -> None:
        if any(seed_summaries(run.trainer) for run in ensemble.runs):
            self._show_seeds([SeedResult.of(run.seed, run.trainer, run.module) for run in ensemble.runs])

    def _show_seeds(self, results: Sequence[SeedResult]) -> None:
        if not results:  # no callback keeps them
            return
        console = Console()
        console.print(seeds_table(results, console.width))
        for sentence in shared_sentences(results):
            console.print(f"- {sentence}", highlight=False, markup=False)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the Trainer with the default callbacks that the configuration leaves room for."""
        config = self.config_init[self.subcommand]
        given = config.trainer.callbacks or []
        given = given if isinstance(given, list) else [given]
        if config.default_callbacks and not config.trainer.barebones:
            summary = FitSummary if self.seeds is None else SeedSummary
            kwargs["callbacks"] = [*given, *_missing_callbacks(given, config.trainer, summary)]
        return super().instantiate_trainer(**kwargs)

    def before_fit(self) -> None:
        """Refuse Trainer settings here already: once `fit` is called, Lightning starts the other processes first."""
        check_trainer(self.trainer)

    def before_predict(self) -> None:
        """Say where nothing was trained: predictions look alike."""
        if not self.config[self.subcommand].ckpt_path:
            rank_zero_warn(
                "`ckpt_path` must name a checkpoint for predictions of a trained network, got none: these are of new "
                "weights. Write `--ckpt_path last` for the newest run."
            )

    def _parse_ckpt_path(self) -> None:
        # Lightning lets the hyperparameters of the checkpoint replace the module that the configuration names. Here the
        # configuration holds, and a checkpoint of another problem is an error.
        config = self.config[self.config.subcommand]
        path = config.get("ckpt_path")
        if not path or self.seeds is None:
            try:
                config.ckpt_path = resolve(config)
            except ValueError as error:
                self.parser.error(str(error), error)
            self._check_ckpt_path(config.ckpt_path)
            return
        if not Path(path).is_dir():
            self.parser.error(
                "`ckpt_path` must be the folder of all seeds where `seeds` is given, such as "
                f"runs/Helmholtz2D/version_0, got {path}."
            )
        paths = [seed_options.last_checkpoint(path, seed) for seed in self.seeds]
        for found in [each for each in paths if os.path.isfile(each)] or paths[:1]:
            self._check_ckpt_path(found)

    def _check_ckpt_path(self, path: str | None) -> None:
        config = self.config[self.config.subcommand]
        if not path or path in KEYWORDS or "://" in str(path):
            return
        found = self._read_checkpoint(Path(path)).get("hyper_parameters", {}).get("_class_path")
        if found and found.rsplit(".", 1)[-1] != config.model.class_path.rsplit(".", 1)[-1]:
            self.parser.error(
                f"`ckpt_path` must be a checkpoint of the configured problem {config.model.class_path}, got one of "
                f"{found}. Name that problem in `model.class_path`, or start without `ckpt_path`."
            )

    def _read_checkpoint(self, path: Path) -> dict[str, Any]:
        if not path.is_file():
            self.parser.error(f"`ckpt_path` must be a file that exists, or one of {', '.join(KEYWORDS)}, got {path}.")
        try:
            return AtomicCheckpointIO().load_checkpoint(path, weights_only=True)
        except MisconfigurationException as error:
            self.parser.error(str(error), error)


def run(args: list[str] | None = None, kind: type[AutoBalanceCLI] | None = None) -> AutoBalanceCLI:
    """Parse a command line and run it.

    Args:
        args: The command line without the program's name. If given, errors are raised; by default, it is that of the
            process, and errors that explain themselves are printed without a traceback, with exit status 2.
        kind: A subclass to take the place of `AutoBalanceCLI`.

    Returns:
        The CLI after the run, with its trainer and model.
    """
    given = sys.argv[1:] if args is None else args
    try:
        line = packaged_configs.resolve(given)
    except ValueError as error:
        if args is not None:
            raise MisconfigurationException(str(error)) from error
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    line = seed_options.join_seeds(line) if any(word.startswith("--seeds") for word in line) else line
    words = args if line == given else line
    try:
        with warnings.catch_warnings(), without_noise():
            for message in UNHELPFUL_WARNINGS:
                warnings.filterwarnings("ignore", message=message)
            own_data = names_data_class(line)
            return (kind or AutoBalanceCLI)(
                PINNModule,
                LightningDataModule if own_data else CollocationPoints,
                subclass_mode_model=True,
                subclass_mode_data=own_data,
                seed_everything_default=0,
                auto_configure_optimizers=False,
                trainer_defaults={"logger": LOGGER, "enable_model_summary": False},
                save_config_kwargs={"overwrite": True},
                parser_class=OneLineParser,
                parser_kwargs={
                    "version": f"lightning-autobalance {__version__}",
                    "epilog": "`lightning-autobalance new my_pde` writes the files of a new problem, "
                    "`lightning-autobalance sweep my_sweep.yaml` trains many configurations; see their `--help`.",
                },
                args=words,
            )
    except (MisconfigurationException, NonFiniteError, CheckpointWriteError) as error:
        if args is not None:
            raise
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except SIGTERMException:
        if args is not None:
            raise
        # The shells' convention; Lightning would exit with 0. Only the first process does: where it has started the
        # others itself, the status of one of them would make it kill itself.
        sys.exit(0 if rank_zero_only.rank else 128 + SIGTERM)  # type: ignore[attr-defined]
    except OSError as error:
        if args is not None or error.errno not in UNWRITABLE:
            raise
        sys.stderr.write(
            f"error: {error.filename or 'the run'} must be writable, got {error.strerror}. Free some space, or name "
            "another folder: `--trainer.logger.init_args.save_dir`, `--trainer.default_root_dir`.\n"
        )
        sys.exit(2)
    except RuntimeError as error:
        if args is None and is_lost_process(error):
            sys.stderr.write(f"error: {lost_process(error)}\n")
            sys.exit(2)
        if args is not None or "Error(s) in loading state_dict" not in str(error):
            raise
        sys.stderr.write(
            f"error: `ckpt_path` must hold the network that the configuration names, got another one. {error}\n"
        )
        sys.exit(2)


def train_seed(task: SeedTask) -> dict[str, Any]:
    """Train the run of one seed in a worker; a function that other processes find by its name."""
    results: list[SeedResult] = []

    class Quiet(AutoBalanceCLI):
        """Hands over what it would show."""

        def _show_seeds(self, found: Sequence[SeedResult]) -> None:
            results.extend(found)

    return stoppable(task, lambda: run(["fit", "--config", task.config], Quiet), results)


def _missing_callbacks(given: list[Callback], trainer: Any, summary: type[Callback]) -> Iterator[Callback]:
    def room_for(kind: type[Callback]) -> bool:
        return not any(isinstance(callback, kind) for callback in given)

    if room_for(ProgressBar) and trainer.enable_progress_bar is not False:
        yield LossProgressBar()
    watching = (BalanceMonitor, Dashboard, SolutionPlotter, UnknownParameters, HistoryPlotter, Predictions, Forecast)
    for kind in (*watching, summary):  # the table comes after the bar is closed
        if room_for(kind):
            yield kind()
    checkpoint = missing_checkpoint(given)
    if checkpoint and trainer.enable_checkpointing is not False and not trainer.fast_dev_run:
        yield checkpoint
