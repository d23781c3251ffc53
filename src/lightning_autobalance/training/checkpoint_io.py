"""Atomic checkpoints: written to a new file, which then replaces the old one."""

import io
import os
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage
from typing import Any
from uuid import uuid4

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.plugins.io import TorchCheckpointIO

from lightning_autobalance.training.readable import check_readable

UNFINISHED = ".unfinished"  # suffix of a file being written
ABANDONED = 600.0  # seconds after which the process that wrote such a file is taken for dead


class CheckpointWriteError(OSError):
    """A checkpoint could not be written; an earlier one of the same name is intact."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a new file in the same folder, flushes it to disk, and only then renames it.

    Whatever ends the process (a kill, a full disk, a power failure), the name refers to the complete old checkpoint or
    to the complete new one. URLs of remote file systems are left to Lightning.

    Note:
        Lightning's own plugin writes to the system's temporary folder and moves the file from there. If that is another
        file system, the move is a copy over the old checkpoint, which a kill or a full disk truncates.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: The states of the run.
            path: A file, or the URL of one.
            storage_options: Passed on to Lightning, which accepts only None.

        Raises:
            CheckpointWriteError: If the file system is full, read-only, or gone.
            MisconfigurationException: If it holds objects that could not be read again.
        """
        check_readable(checkpoint)
        local = str(path).removeprefix("file://")
        if storage_options is not None or "://" in local:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        try:
            _write(buffer.getbuffer(), Path(local))
        except OSError as error:
            raise _write_error(Path(local), buffer.getbuffer().nbytes, error) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint, onto the CPU by default.

        Args:
            path: A file, or the URL of one.
            map_location: As in ``torch.load``.
            weights_only: Whether to refuse arbitrary Python objects; None means True.

        Raises:
            MisconfigurationException: If the file is not a complete Lightning checkpoint.
            FileNotFoundError: If there is no such file.
        """
        weights_only = True if weights_only is None else weights_only  # Lightning's default for URLs is False
        try:
            with warnings.catch_warnings():  # torch warns of the pickle protocol before it raises
                warnings.filterwarnings("ignore", message="Detected pickle protocol")
                found = super().load_checkpoint(path, map_location or _to_cpu, weights_only)
        except FileNotFoundError:
            raise
        except Exception as error:  # torch raises many types for truncated, foreign, or pickled files
            raise unreadable(path, error) from error
        check_content(path, found)
        return found


def read_checkpoint(source: Any, weights_only: bool) -> dict[str, Any]:
    """Read a checkpoint from a path, a URL or an open file, which is left at its position.

    Raises:
        MisconfigurationException: If it is not a complete Lightning checkpoint.
        FileNotFoundError: If there is no such file.
    """
    if isinstance(source, str | Path):
        return AtomicCheckpointIO().load_checkpoint(source, weights_only=weights_only)
    position = source.tell()
    try:
        found = torch.load(source, _to_cpu, weights_only=weights_only)
    except Exception as error:
        raise unreadable("the open file", error) from error
    source.seek(position)
    check_content("the open file", found)
    return dict(found)


def unreadable(path: str | Path, error: Exception) -> MisconfigurationException:
    """The error for a file that cannot be read as a checkpoint.

    Args:
        path: The file.
        error: The exception raised on reading it.
    """
    reason = "it is empty." if _is_empty(path) else _reason(error)
    return MisconfigurationException(
        f"`ckpt_path` must be a whole Lightning checkpoint, {path} cannot be read: {reason} Take another one of the "
        "run's folder `checkpoints`, or start without `ckpt_path`."
    )


def check_content(path: str | Path, found: Any) -> None:
    """Check that a file that was read is a Lightning checkpoint.

    Args:
        path: The file, for the message.
        found: Its content.

    Raises:
        MisconfigurationException: If it is not.
    """
    if not isinstance(found, dict) or not {"state_dict", "pytorch-lightning_version"} <= found.keys():
        raise MisconfigurationException(
            f"`ckpt_path` must be a Lightning checkpoint, {path} holds no state of a module. Name the `last.ckpt` of "
            "a run, or start without `ckpt_path`."
        )


def _to_cpu(storage: Any, _: str) -> Any:
    return storage


def _is_empty(path: str | Path) -> bool:
    return os.path.isfile(path) and os.path.getsize(path) == 0


def _reason(error: Exception) -> str:
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    if line.startswith("Weights only load failed"):  # torch's message advises to unpickle it anyway
        return "it holds Python objects, which are not unpickled, since they may run any code."
    return f"it is cut off, or of another kind ({line.rstrip('.')})."


def _write(data: memoryview, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    unfinished = path.parent / f".{uuid4().hex}{UNFINISHED}"
    try:
        with open(unfinished, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:  # Ctrl-C, too
        with suppress(OSError):
            unfinished.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return  # Windows cannot open folders
    with suppress(OSError):  # unsupported on some network file systems; the file itself is on disk
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    """Remove unfinished files of killed processes."""
    for file in folder.glob(f".*{UNFINISHED}"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > ABANDONED:
                file.unlink()


def _write_error(path: Path, size: int, error: OSError) -> CheckpointWriteError:
    earlier = "The earlier one is untouched" if path.exists() else "There was no earlier one under this name"
    found = CheckpointWriteError(
        f"`path` of a checkpoint must be writable, {path} could not be written: {error.strerror or error} "
        f"({_megabytes(size)} are needed, {_free(path)}). {earlier}. Free some space, or give the ModelCheckpoint "
        "another `dirpath`, and go on from the last checkpoint with `ckpt_path`."
    )
    found.errno = error.errno
    return found


def _free(path: Path) -> str:
    for folder in path.parents:  # the nearest that exists
        with suppress(OSError):
            return f"{_megabytes(disk_usage(folder).free)} are left"
    return "how much is left cannot be said"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3g} MB"
