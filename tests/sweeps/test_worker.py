"""A worker: failures as data, output in a file, and a process that the next run finds as the first did."""

import os
import shutil
import sys
import threading
import warnings
from pathlib import Path

import pytest
import torch

from helpers.sweeps import attempted
from lightning_autobalance.sweeps.runs import Run
from lightning_autobalance.sweeps.worker import attempt, clean_state

ROOT = Path(__file__).parents[2]
QUICK = str(ROOT / "configs" / "helmholtz_2d_quick.yaml")
SMALL = ("--data.eval_points=100", "--data.steps_per_epoch=2", "--trainer.accelerator=cpu", "--model.net.hidden=[5]")
LEAKY = """
import os, sys, warnings
import torch
from lightning_autobalance.problems import Helmholtz2D

class Leaky(Helmholtz2D):
    def on_fit_end(self):
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(3)
        torch.manual_seed(99)
        warnings.simplefilter("error")
        os.environ["LEFT_BEHIND"] = "1"
        sys.path.append("left behind")
"""


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(method: str, *options: str, iterations: int = 4) -> Run:
    return Run("helmholtz_quick", method, 1, iterations, (QUICK,), (*SMALL, *options))


def mse(run: Run) -> float:
    """Of a training from the start, as a number that must not change by a bit."""
    shutil.rmtree(run.folder, ignore_errors=True)
    outcome = attempted(run)
    assert outcome.result is not None, outcome.error
    return float(outcome.result["mse"])


def test_a_run_ends_the_same_first_and_second_in_a_worker(capfd: pytest.CaptureFixture[str]) -> None:
    Path("leaky.py").write_text(LEAKY)
    plain = run("plain")
    leaky = run("leaky", "--model=leaky.Leaky", "--trainer.precision=64-true", "--trainer.deterministic=true")
    first = mse(plain)
    mse(leaky)
    assert mse(plain) == first
    assert mse(run("other", "--seed_everything=2")) != first  # a difference would show
    assert capfd.readouterr() == ("", "")
    assert "Seed set to 1" in (plain.folder / "output.txt").read_text()


def test_the_process_is_left_as_it_was() -> None:
    before = dict(os.environ), list(sys.path), torch.get_num_threads(), list(warnings.filters)
    with clean_state():
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.use_deterministic_algorithms(True)
        torch.set_float32_matmul_precision("medium")
        torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
        os.environ["LEFT_BEHIND"] = "1"
        sys.path.append("left behind")
        warnings.simplefilter("ignore")
    assert before == (dict(os.environ), list(sys.path), torch.get_num_threads(), list(warnings.filters))
    assert torch.get_default_dtype() == torch.float32
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.benchmark


def test_a_refused_configuration_comes_back_with_its_message(capfd: pytest.CaptureFixture[str]) -> None:
    bad = run("none", "--model.nett=3")
    outcome = attempted(bad)
    assert outcome.result is None
    assert "nett" in outcome.error
    assert "Did you mean" in outcome.error
    assert "nett" in (bad.folder / "output.txt").read_text()
    assert capfd.readouterr() == ("", "")


def test_an_exception_comes_back_with_its_type_and_leaves_a_traceback() -> None:
    bad = Run("none", "none", 1, 2, ("none.yaml",))
    outcome = attempted(bad)
    assert outcome.error.startswith("FileNotFoundError: ")
    assert "Traceback" in (bad.folder / "output.txt").read_text()


def test_a_folder_that_is_not_there_costs_one_run(tmp_path: Path) -> None:
    assert attempted(run("a"), tmp_path / "elsewhere").error.startswith("FileNotFoundError: ")


def test_another_configuration_does_not_go_on_from_the_checkpoint() -> None:
    mse(run("a"))
    longer = run("a", iterations=6)
    assert attempted(run("a")).result
    changed = attempted(run("a", "--model.a1=2"))
    assert "must hold a run of the same configuration" in changed.error
    assert mse(longer) > 0


def test_only_one_run_trains_in_a_process_at_a_time() -> None:
    inside, seen = [], []

    def train(run: Run) -> dict[str, int]:
        inside.append(run)
        seen.append(len(inside))
        threading.Event().wait(0.05)
        inside.pop()
        return {}

    threads = [threading.Thread(target=attempt, args=(run(m), Path.cwd(), os.getpid(), train)) for m in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1, 1, 1]
