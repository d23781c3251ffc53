"""A checkpoint is whole or not there, whatever ends the writing of it."""

import errno
import os
import pickle
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from helpers.toys import Decay, fit
from lightning_autobalance.cli.lightning_cli import run
from lightning_autobalance.training.checkpoint_io import UNFINISHED, AtomicCheckpointIO, CheckpointWriteError

OLD, NEW = ({"x": torch.full((20_000,), value)} for value in (1.0, 2.0))  # 80 kB each
IO = AtomicCheckpointIO()


def content(path: Path) -> float:
    return float(torch.load(path, weights_only=True)["x"].unique())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good checkpoint."""
    IO.save_checkpoint(OLD, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 200 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As a full disk, for any user: what is written beyond fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "last.ckpt"
    for checkpoint, value in ((OLD, 1.0), (NEW, 2.0)):
        IO.save_checkpoint(checkpoint, str(path))
        assert content(path) == value
    assert os.listdir(path.parent) == ["last.ckpt"]
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode  # others of the group may read it, too


def test_urls_are_left_to_lightning(tmp_path: Path) -> None:
    IO.save_checkpoint({**OLD, "state_dict": {}, "pytorch-lightning_version": "2"}, "memory://runs/last.ckpt")
    assert IO.load_checkpoint("memory://runs/last.ckpt")["x"][0] == 1
    IO.save_checkpoint(NEW, f"file://{tmp_path}/last.ckpt")
    assert content(tmp_path / "last.ckpt") == 2
    with pytest.raises(TypeError, match="storage_options"):
        IO.save_checkpoint(OLD, tmp_path / "last.ckpt", storage_options={})


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("reason", [KeyboardInterrupt(), OSError(errno.EIO, "Input/output error")], ids=repr)
def test_a_stop_in_mid_writing_leaves_the_old_one(
    function: str, reason: BaseException, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        assert list(path.parent.glob(f".*{UNFINISHED}"))  # on the same file system: renaming is no copy
        raise reason

    with monkeypatch.context() as patched:
        patched.setattr(os, function, fails)
        with pytest.raises((CheckpointWriteError, KeyboardInterrupt)):
            IO.save_checkpoint(NEW, path)
    assert content(path) == 1
    assert os.listdir(path.parent) == ["last.ckpt"]


def test_what_a_kill_leaves_is_removed_later(path: Path) -> None:
    old, fresh = (path.parent / f".{name}{UNFINISHED}" for name in ("old", "fresh"))
    for left in (old, fresh):
        left.touch()
    os.utime(old, (time.time() - 1000,) * 2)
    IO.save_checkpoint(NEW, path)
    assert {p.name for p in path.parent.iterdir()} == {fresh.name, "last.ckpt"}


def test_a_file_that_may_not_grow(path: Path) -> None:
    with files_no_larger_than(20_000), pytest.raises(CheckpointWriteError) as refused:
        IO.save_checkpoint(NEW, path)
    assert content(path) == 1
    assert os.listdir(path.parent) == ["last.ckpt"]
    assert refused.value.errno == errno.EFBIG
    assert f"`path` of a checkpoint must be writable, {path} could not be written: File too large" in str(refused.value)
    assert "The earlier one is untouched." in str(refused.value)


def test_a_folder_that_cannot_be_made(path: Path) -> None:
    with pytest.raises(CheckpointWriteError, match=r"(?s)Not a directory.*MB are left.*There was no earlier one"):
        IO.save_checkpoint(NEW, path / "below" / "last.ckpt")


def test_a_full_disk_costs_lightning_the_old_checkpoint_and_us_nothing(small_disk: Path) -> None:
    path = small_disk / "last.ckpt"
    IO.save_checkpoint(OLD, path)
    (small_disk / "other").write_bytes(b"0" * 70_000)
    with pytest.raises(CheckpointWriteError, match=r"No space left on device \(0.08\d+ MB are needed, 0.0\d+ MB are"):
        IO.save_checkpoint(NEW, path)
    assert content(path) == 1
    assert {p.name for p in small_disk.iterdir()} == {"last.ckpt", "other"}
    (small_disk / "other").write_bytes(b"0" * 100_000)
    larger = {"x": torch.zeros(30_000)}
    with pytest.raises(OSError, match="No space left on device"):
        TorchCheckpointIO().save_checkpoint(larger, path)
    with pytest.raises((RuntimeError, EOFError)):  # why there is an `AtomicCheckpointIO` at all
        content(path)


def test_a_run_on_a_full_disk_keeps_its_last_checkpoint(small_disk: Path) -> None:
    class Filled(ModelCheckpoint):
        def on_train_batch_end(self, *args: Any) -> None:
            if args[0].global_step == 7:
                (small_disk / "other").write_bytes(b"0" * (disk_usage(small_disk).free - 8192))

    with pytest.raises(CheckpointWriteError, match="The earlier one is untouched"):
        fit(
            Decay(),
            small_disk,
            max_steps=20,
            enable_checkpointing=True,
            callbacks=[Filled(small_disk, save_last=True, filename="best")],
        )
    assert torch.load(small_disk / "last.ckpt", weights_only=True)["global_step"] == 5


def test_every_trainer_gets_it_and_a_users_own_stays(tmp_path: Path) -> None:
    class Own(TorchCheckpointIO):
        pass

    assert type(fit(Decay(), tmp_path, max_steps=1).strategy.checkpoint_io) is AtomicCheckpointIO
    assert type(fit(Decay(), tmp_path, max_steps=1, plugins=[Own()]).strategy.checkpoint_io) is Own


# Files that are no checkpoint.


class Harmful:
    def __reduce__(self) -> Any:
        return os.mkdir, ("harm",)


BAD = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty."),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-3000]), "it is cut off, or of another kind"),
    "text": (lambda path: path.write_text("max_steps: 3"), "cannot be read: "),
    "weights": (lambda path: torch.save({"w": torch.zeros(2)}, path), "holds no state of a module"),
    "harmful": (lambda path: path.write_bytes(pickle.dumps(Harmful())), "Python objects, which are not unpickled"),
    "harmful-zip": (lambda path: torch.save(Harmful(), path), "Python objects, which are not unpickled"),
}


@pytest.fixture
def last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    fit(Decay(), tmp_path, max_steps=1, enable_checkpointing=True, callbacks=[ModelCheckpoint(".", save_last=True)])
    return tmp_path / "last.ckpt"


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_checkpoint_is_refused_in_one_sentence(
    kind: str, last: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, said = BAD[kind]
    spoil(last)
    with pytest.raises(MisconfigurationException, match=f"`ckpt_path` must be a .*Lightning checkpoint.*{said}"):
        fit(Decay(), last.parent, max_steps=2, ckpt_path=last)
    with pytest.raises(MisconfigurationException, match=said):
        Decay.load_from_checkpoint(last)
    with pytest.raises(SystemExit):
        run(["fit", "--model=Helmholtz2D", "--data.points.interior=4", "--trainer.logger=false", f"--ckpt_path={last}"])
    message = capsys.readouterr().err
    assert said in message
    assert len(message.strip().splitlines()) < 4
    assert not (last.parent / "harm").exists()


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    for load in (Decay.load_from_checkpoint, lambda path: fit(Decay(), tmp_path, max_steps=2, ckpt_path=path)):
        with pytest.raises(FileNotFoundError, match=r"none\.ckpt"):
            load(tmp_path / "none.ckpt")
