"""Checkpoints that are whole or not there: written beside the old one, then put in its place."""

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

UNFINISHED = ".unfinished"  # suffix of a file that is being written
ABANDONED = 600.0  # seconds after which such a file belongs to a process that was killed


class CheckpointWriteError(OSError):
    """A checkpoint could not be written; the earlier one under its name is as it was."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a new file in the same folder, to the disk, and only then renames it.

    Whatever ends the process, a kill, a full disk, or a power cut, the name stands for the whole old checkpoint or the
    whole new one. URLs of remote file systems are left to Lightning.

    Note:
        Lightning's own writes to the system's temporary folder and moves the file from there. Where that is another
        file system the move is a copy over the old checkpoint, which a kill or a full disk cuts off.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: The states.
            path: Where to.
            storage_options: None; Lightning refuses others.

        Raises:
            CheckpointWriteError: If the file system refuses: full, read-only, gone.
        """
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
        """Read a checkpoint, onto the CPU unless it is said where to.

        Args:
            path: Where from.
            map_location: As in ``torch.load``.
            weights_only: Read no arbitrary Python objects; True unless it is False.

        Raises:
            MisconfigurationException: If the file is no whole Lightning checkpoint.
            FileNotFoundError: If there is none.
        """
        weights_only = True if weights_only is None else weights_only  # of a URL, too
        try:
            with warnings.catch_warnings():  # torch's words about the protocol of what is refused below
                warnings.filterwarnings("ignore", message="Detected pickle protocol")
                found = super().load_checkpoint(path, map_location or _to_cpu, weights_only)
        except FileNotFoundError:
            raise
        except Exception as error:  # torch has many for a file that is cut off, of another kind, or pickled by hand
            raise unreadable(path, error) from error
        check_content(path, found)
        return found


def unreadable(path: str | Path, error: Exception) -> MisconfigurationException:
    """Say that a file is no whole checkpoint.

    Args:
        path: The file.
        error: What reading it gave.
    """
    reason = "it is empty." if _is_empty(path) else _reason(error)
    return MisconfigurationException(
        f"`ckpt_path` must be a whole Lightning checkpoint, {path} cannot be read: {reason} Take another one of the "
        "run's folder `checkpoints`, or start without `ckpt_path`."
    )


def check_content(path: str | Path, found: Any) -> None:
    """Refuse a file that can be read but holds something else.

    Args:
        path: The file.
        found: What it holds.

    Raises:
        MisconfigurationException: If that is no Lightning checkpoint.
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
    if line.startswith("Weights only load failed"):  # torch goes on about how to unpickle whatever it is
        return "it holds Python objects, which are not unpickled, since they may run any code."
    return f"it is cut off, or of another kind ({line.rstrip('.')})."


def _write(data: memoryview, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
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
        return  # Windows opens no folders
    with suppress(OSError):  # some network file systems cannot; the file itself is on the disk
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left; nobody writes one checkpoint for minutes."""
    for left in folder.glob(f".*{UNFINISHED}"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()


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
