"""Freed memory is kept, but a user's own settings stay."""

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.toys import Decay, fit
from lightning_autobalance import module
from lightning_autobalance.utils import malloc
from lightning_autobalance.utils.malloc import keep_freed_memory

SCRIPT = """
import resource, torch
from lightning_autobalance.utils.malloc import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        torch.ones(1_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
default = faults()
done = keep_freed_memory()
faults()
print(int(done), default, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_kept_blocks_are_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in malloc._USER_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    done, default, kept = map(int, ended.stdout.split())
    if not done:
        pytest.skip("another C library")
    assert kept < default / 10


@pytest.mark.parametrize("name", malloc._USER_SETTINGS)
def test_settings_of_the_user_stay(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    assert not keep_freed_memory()


def test_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()


def test_fit_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(module, "keep_freed_memory", lambda: calls.append(1))
    fit(Decay(), tmp_path, max_steps=1)
    assert calls == [1]
