"""What `--ckpt_path` means: a file, a URL, or one of Lightning's keywords."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.cloud_io import get_filesystem
from lightning.pytorch.utilities import rank_zero_info


def resolve(config: Any) -> str | None:
    """The checkpoint that a configuration names.

    Lightning looks for ``last`` in the folder of the new run, where there is none yet; here it is the newest one of all
    earlier runs whose folders the configuration names.

    Args:
        config: Of a subcommand.

    Returns:
        A path, a URL or a keyword that Lightning can resolve; None if the configuration names none.

    Raises:
        ValueError: If there is no such checkpoint.
    """
    path = str(config.get("ckpt_path") or "")
    if path == "last":
        return _last(config)
    if path == "best":
        raise ValueError(
            "`ckpt_path` must be a file here, got best: the best checkpoint of a run is known only to the run itself. "
            "Name the file, or write last for the newest last.ckpt."
        )
    if path == "hpc" and not any(Path(config.trainer.default_root_dir or ".").glob("hpc_ckpt_*.ckpt")):
        raise ValueError("`ckpt_path` hpc must find a file hpc_ckpt_<n>.ckpt in `trainer.default_root_dir`, got none.")
    if path == "registry" and find_spec("litmodels") is None:
        raise ValueError("`ckpt_path` registry needs the package litmodels, which is not installed. Name a file.")
    if "://" in path:
        _check_url(path)
    return path or None


def _last(config: Any) -> str:
    folders = list(dict.fromkeys(_folders(config)))
    found = [file for folder, pattern in folders for file in Path(folder).glob(f"{pattern}last*.ckpt")]
    if not found:
        places = ", ".join(str(Path(folder, pattern)) for folder, pattern in folders)
        raise ValueError(
            f"`ckpt_path` last must find the last.ckpt of an earlier run, got none in {places}. Name the file, or "
            "start without `ckpt_path`."
        )
    newest = max(found, key=lambda file: file.stat().st_mtime)
    rank_zero_info(f"`ckpt_path` last: the newest is {newest}.")
    return str(newest)


def _folders(config: Any) -> Iterator[tuple[str, str]]:
    """Where runs of a configuration leave checkpoints: a folder, and a pattern below it."""
    trainer = config.trainer
    for callback in _listed(trainer.callbacks):
        if folder := getattr(getattr(callback, "init_args", None), "dirpath", None):
            yield str(folder), ""
    root = trainer.default_root_dir or "."
    loggers = [each for each in _listed(trainer.logger) if hasattr(each, "class_path")]
    for logger in loggers:
        kind = logger.class_path.rpartition(".")[2]
        of_problem = config.model.class_path.rpartition(".")[2] if kind == "TensorBoardLogger" else "lightning_logs"
        name = getattr(logger.init_args, "name", None)
        yield str(getattr(logger.init_args, "save_dir", None) or root), f"{name or of_problem}/*/checkpoints/"
    if not loggers:
        yield str(root), "checkpoints/" if trainer.logger is False else "lightning_logs/*/checkpoints/"


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value] if value else []


def _check_url(url: str) -> None:
    try:
        exists = bool(get_filesystem(url).exists(url))
    except Exception as error:  # of any file system: no credentials, no connection, no package for it
        raise ValueError(f"`ckpt_path` must be a URL that can be read, got {url}: {error}") from error
    if not exists:
        raise ValueError(f"`ckpt_path` must be a URL that exists, got {url}, where there is nothing.")
