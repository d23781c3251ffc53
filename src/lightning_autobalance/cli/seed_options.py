"""`fit --seeds 0 1 2 --workers 2`: parses and checks these options, and gives each seed its folder."""

import os
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

LAST = os.path.join("checkpoints", "last.ckpt")
VERSIONED = {"TensorBoardLogger": TensorBoardLogger, "CSVLogger": CSVLogger}


def join_seeds(line: Sequence[str]) -> list[str]:
    """A command line with ``--seeds 0 1 2`` as one word, ``--seeds=[0,1,2]``.

    Args:
        line: The words of the command line.
    """
    words, found = list(line), []
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name != "--seeds" or value.startswith("[") or value == "null":
            found.append(word)
            continue
        values = re.split(r"[,\s]+", value) if equals else []
        while not equals and words and re.fullmatch(r"[\[\],\s\d]+|-\d+", words[0]):
            values.append(words.pop(0))
        found.append(f"--seeds=[{','.join(values).replace('[', '').replace(']', '')}]")
    return found


def find_mistake(seeds: Sequence[int] | None, workers: int, subcommand: str, line: Sequence[str]) -> str | None:
    """What is wrong with the options, in a sentence, or None.

    Args:
        seeds: The value of ``seeds``; None where it was not given.
        workers: The value of ``workers``.
        subcommand: Such as ``fit``.
        line: The words of the command line.
    """
    if workers < 1:
        return f"`workers` must be >= 1, got {workers}."
    if seeds is None:
        return None if workers == 1 else f"`workers` must be left out unless `seeds` is given, got {workers}."
    if subcommand != "fit":
        return f"`seeds` must be left out of `{subcommand}`, got {list(seeds)}: only `fit` trains several."
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        return f"`seeds` must be different whole numbers >= 0, such as `--seeds 0 1 2`, got {list(seeds)}."
    if any(word.split("=")[0] == "--seed_everything" for word in line):
        return "`seed_everything` must be left out where `seeds` is given, which sets it for every run, got both."
    if workers > 1 and find_spec("joblib") is None:
        return (
            f"`workers` must be 1 without joblib, which is not installed, got {workers}. "
            'Run pip install "lightning-autobalance[bench]".'
        )
    return None


def use_seed_folder(config: Any, seed: int, *, first: bool) -> None:
    """Give the run of a seed its own folder, within that of all seeds; one summary of the model is enough.

    Args:
        config: Of `fit`, changed in place; `resolve_version` was called before.
        seed: Of the run.
        first: Whether it is the first run.
    """
    folder = f"seed_{seed}"
    loggers = list(_loggers(config))
    for logger in loggers:
        logger.init_args.version = f"{_text(logger.init_args.version)}/{folder}"
    if not loggers:
        config.trainer.default_root_dir = os.path.join(config.trainer.default_root_dir or os.getcwd(), folder)
    for callback in _callbacks(config):
        if getattr(getattr(callback, "init_args", None), "dirpath", None) is not None:
            callback.init_args.dirpath = os.path.join(callback.init_args.dirpath, folder)
    if not first and not any("Summary" in callback.class_path for callback in _callbacks(config)):
        config.trainer.enable_model_summary = False


def seed_folder(config: Any, seed: int) -> Path:
    """The folder that `use_seed_folder` gives to the run of a seed.

    Args:
        config: Of `fit`; `resolve_version` was called before.
        seed: Of the run.
    """
    for logger in _loggers(config):
        arguments = logger.init_args
        kind = VERSIONED[logger.class_path.rsplit(".", 1)[-1]]
        return Path(kind(arguments.save_dir, arguments.name, _text(arguments.version)).log_dir, f"seed_{seed}")
    return Path(config.trainer.default_root_dir or os.getcwd(), f"seed_{seed}")


def last_checkpoint(folder: str, seed: int) -> str:
    """The checkpoint that the run of a seed resumes from.

    Args:
        folder: Of all seeds.
        seed: Of the run.
    """
    return os.path.join(folder, f"seed_{seed}", LAST)


def resolve_version(config: Any) -> None:
    """Choose the folder of all seeds once, before the first run makes it.

    Args:
        config: Of `fit`, changed in place.
    """
    for logger in _loggers(config):
        if logger.init_args.version is None:
            kind = VERSIONED[logger.class_path.rsplit(".", 1)[-1]]
            made = kind(save_dir=logger.init_args.save_dir, name=logger.init_args.name)
            logger.init_args.version = made.version


def _loggers(config: Any) -> Iterator[Any]:
    given = config.trainer.logger
    for logger in given if isinstance(given, list) else [given]:
        if getattr(logger, "class_path", "").rsplit(".", 1)[-1] in VERSIONED:
            yield logger


def _callbacks(config: Any) -> list[Any]:
    given = config.trainer.callbacks or []
    return list(given) if isinstance(given, list) else [given]


def _text(version: int | str) -> str:
    return version if isinstance(version, str) else f"version_{version}"
