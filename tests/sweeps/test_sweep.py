"""A sweep from end to end: two workers, nothing twice, a failure costs one run, Ctrl-C leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.sweeps import trained
from lightning_autobalance.cli import main, run_cli
from lightning_autobalance.sweeps.results_file import read
from lightning_autobalance.sweeps.runs import Run
from lightning_autobalance.sweeps.sweep import options, sweep
from lightning_autobalance.sweeps.worker import Outcome

pytest.importorskip("joblib", reason="joblib is not installed")
module = import_module(sweep.__module__)
ROOT = Path(__file__).parents[2]
QUICK = str(ROOT / "configs" / "helmholtz_2d_quick.yaml")
SMALL = ["--data.eval_points=100", "--data.steps_per_epoch=100", "--trainer.accelerator=cpu"]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def write(iterations: int = 2, **given: object) -> None:
    sweep = {"out": "r.jsonl", "iterations": iterations, "problems": {"quick": QUICK}, "options": SMALL, **given}
    Path("s.yaml").write_text(yaml.safe_dump(sweep))


def seeds() -> list[int]:
    return sorted(line["seed"] for line in read(Path("r.jsonl")))


def backends() -> list[object]:
    try:
        import distributed  # noqa: F401
    except ImportError:
        return ["loky", pytest.param("dask", marks=pytest.mark.skip(reason="dask's distributed is not installed"))]
    return ["loky", pytest.param("dask", marks=pytest.mark.slow)]


@pytest.mark.parametrize("backend", backends())
def test_two_runs_on_two_workers(backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.jsonl").write_text('{"problem": "qui')
    write(seeds=[0, 1])
    with pytest.warns(UserWarning, match="ended in the middle of a line"):
        main(["sweep", "s.yaml", "--workers=2", f"--backend={backend}"])
    assert seeds() == [0, 1]
    said = capsys.readouterr().out
    assert "0 of 2 runs are in r.jsonl; training 2." in said
    assert "2 of 2 done, 0 running, 0 failed" in said
    write(seeds=[0, 1])
    main(["sweep", "s.yaml"])
    assert seeds() == [0, 1]
    assert "2 of 2 runs are in r.jsonl; training 0." in capsys.readouterr().out


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's function without a worker, which takes seconds to import torch."""

    def outcomes(runs: list[Run], workers: int, backend: object, work: Callable[..., Any]) -> Iterator[Outcome[Run]]:
        return (work(run, Path.cwd(), os.getpid()) for run in runs)

    monkeypatch.setattr(module, "connected", lambda pool: nullcontext((1, {})))
    monkeypatch.setattr(module, "outcomes", outcomes)


@pytest.mark.usefixtures("in_this_process")
def test_a_run_that_fails_costs_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    write(methods={"wrong": "--model.nett=3", "right": []})
    with pytest.raises(SystemExit, match="1 of 2 runs failed; see above"):
        main(["sweep", "s.yaml", "--workers=1"])
    assert [line["method"] for line in read(Path("r.jsonl"))] == ["right"]
    assert "Option 'nett' is not accepted. Did you mean net?" in capsys.readouterr().out


def outlived(group: int) -> bool:
    """Whether a process of a group still lives after some seconds; joblib's bookkeeper takes one."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)
    return True


@pytest.mark.slow
def test_ctrl_c_stops_the_workers_and_the_next_start_goes_on() -> None:
    write(iterations=1_000_000)
    command = [sys.executable, "-m", "lightning_autobalance", "sweep", "s.yaml", "--workers=2"]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)
    folder = Path("runs/sweep/quick-plain-default-0-1000000")
    try:
        until = time.monotonic() + 60
        while not (folder / "checkpoints" / "last.ckpt").exists() and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: parent and workers
        said, _ = process.communicate(timeout=30)
    finally:
        left = outlived(process.pid)
    assert process.returncode == 130
    assert "Stopped." in said
    assert not left, "a process of the sweep outlived it"
    assert not Path("r.jsonl").exists()


@pytest.mark.usefixtures("in_this_process")
def test_an_interrupted_run_goes_on_from_its_checkpoint() -> None:
    wanted = Run("quick", "default", 0, 6, (QUICK,), (*SMALL, "--data.steps_per_epoch=2"))
    trained(wanted)
    Path("r.jsonl").touch()
    sweep([wanted], Path("r.jsonl"), command=run_cli)
    (line,) = read(Path("r.jsonl"))
    assert [row["step"] for row in line["history"]] == [2, 4, 6]
    assert "Restored all states" in (wanted.folder / "output.txt").read_text()
    json.dumps(line)


def test_the_command_lines_of_before_are_kept() -> None:
    given = options().parse_args(["--workers", "2", "--out", "r.jsonl"])
    assert (given.workers, given.out, given.backend, given.scheduler) == (2, Path("r.jsonl"), "loky", None)
    assert options().parse_args([]).workers is None
