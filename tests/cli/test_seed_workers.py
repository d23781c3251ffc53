"""`fit --seeds 0 1 --workers 2`: the runs of `--workers 1`, in processes."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.exceptions import SIGTERMException

from helpers.runs import assert_same_state
from lightning_autobalance.cli import main, seed_workers
from lightning_autobalance.cli.seed_workers import SeedTask
from lightning_autobalance.step import NonFiniteError
from lightning_autobalance.sweeps.worker import Outcome

pytest.importorskip("joblib", reason="joblib is not installed")
ROOT = Path(__file__).parents[2]
FIT = [
    "fit",
    f"--config={ROOT / 'configs' / 'helmholtz_2d.yaml'}",
    "--trainer.accelerator=cpu",
    "--data.eval_points=100",
    "--data.points.interior=20",
    "--data.points.boundary=8",
    "--data.steps_per_epoch=50",
    "--model.net.hidden=[6,6]",
]
PROBLEM = """
import os, signal
from lightning_autobalance.problems import Helmholtz2D

class Sensitive(Helmholtz2D):
    def on_train_batch_start(self, batch, batch_idx):
        if self.global_step == 3 and os.environ["PL_GLOBAL_SEED"] == "1":
            {action}
"""
MODEL = ["--model=sensitive.Sensitive", "--model.net=MLP", "--model.net.hidden=[6,6]", "--trainer.max_steps=5"]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)
    sys.modules.pop("sensitive", None)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch, no_pictures: None) -> None:
    """The worker's function without a worker, which takes seconds to import torch."""

    def outcomes(tasks: list[SeedTask], workers: int, backend: object, work: Callable[..., Any]) -> Iterator[Any]:
        found: list[Outcome[SeedTask]] = [work(task, Path.cwd(), os.getpid()) for task in tasks]
        yield from reversed(found)  # runs end in any order

    monkeypatch.setattr(seed_workers, "connected", lambda pool: nullcontext((pool.workers, {})))
    monkeypatch.setattr(seed_workers, "outcomes", outcomes)


def state(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(Path(folder, "checkpoints", "last.ckpt"), weights_only=True)
    return found


def table(said: str) -> str:
    return said[said.index("Helmholtz2D, ") :]


def compare_workers(capsys: pytest.CaptureFixture[str]) -> None:
    options = [*FIT, "--trainer.max_steps=6", "--seeds", "0", "1"]
    main([*options, "--trainer.enable_progress_bar=false"])
    one = table(capsys.readouterr().out)
    main([*options, "--workers=2"])
    assert table(capsys.readouterr().out) == one
    for seed in (0, 1):
        folders = [f"runs/Helmholtz2D/version_{version}/seed_{seed}" for version in (0, 1)]
        assert_same_state(*(state(folder) for folder in folders))
        first, second = (Path(folder, "config.yaml").read_text() for folder in folders)
        assert f"seed_everything: {seed}" in first
        assert re.sub(r"version_0|enable_.*", "", first) == re.sub(r"version_1|enable_.*", "", second)
        assert f"Seed {seed}: run 1 of 1" in Path(folders[1], "output.txt").read_text()


@pytest.mark.usefixtures("in_this_process")
def test_runs_and_table_are_those_of_one_worker(capsys: pytest.CaptureFixture[str]) -> None:
    compare_workers(capsys)


@pytest.mark.slow
def test_the_same_in_processes(capsys: pytest.CaptureFixture[str]) -> None:
    compare_workers(capsys)


@pytest.mark.usefixtures("in_this_process")
def test_resume_starts_seeds_without_a_checkpoint_from_the_beginning() -> None:
    main([*FIT, "--trainer.max_steps=4", "--seeds=[0]"])
    main([*FIT, "--trainer.max_steps=6", "--seeds=[0,1]", "--workers=2", "--ckpt_path=runs/Helmholtz2D/version_0"])
    for seed in (0, 1):
        main([*FIT, "--trainer.max_steps=6", f"--seed_everything={seed}"])
        assert_same_state(
            state(f"runs/Helmholtz2D/version_1/seed_{seed}"), state(f"runs/Helmholtz2D/version_{2 + seed}")
        )


@pytest.mark.usefixtures("in_this_process")
def test_a_seed_that_diverges_is_named_and_the_others_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sensitive.py").write_text(PROBLEM.format(action="next(self.parameters()).data.fill_(float('nan'))"))
    with pytest.raises(NonFiniteError, match=r"^Seed 1: The loss of loss term"):
        main([*FIT, *MODEL, "--seeds", "0", "1", "2", "--workers=3"])
    said = capsys.readouterr().out
    assert "Sensitive, 3 seeds" in said
    assert re.search(r"│ 1 .*│ +3 │", said)
    assert re.search(r"│ 2 .*│ +5 │", said)


@pytest.mark.usefixtures("in_this_process")
def test_any_other_error_names_the_seed_and_where_its_output_is() -> None:
    Path("sensitive.py").write_text(PROBLEM.format(action="raise OSError('the disk is gone')"))
    with pytest.raises(
        MisconfigurationException, match=r"^Seed 1: OSError: the disk is gone Its output is in \S*seed_1"
    ):
        main([*FIT, *MODEL, "--seeds", "0", "1", "--workers=2"])


@pytest.mark.usefixtures("in_this_process")
def test_sigterm_to_a_worker_saves_its_run_and_ends_all() -> None:
    Path("sensitive.py").write_text(PROBLEM.format(action="os.kill(os.getpid(), signal.SIGTERM)"))
    with pytest.raises(SIGTERMException):
        main([*FIT, *MODEL, "--seeds", "0", "1", "--workers=2"])
    steps = [state(f"runs/Sensitive/version_0/seed_{seed}")["global_step"] for seed in (0, 1)]
    assert steps == [5, 4]


@pytest.mark.slow
def test_sigterm_saves_the_runs_under_way_and_starts_no_other() -> None:
    options = [*FIT, "--trainer.max_steps=1000000", "--model.compile=false", "--seeds", "0", "1", "2", "--workers=2"]
    process = subprocess.Popen([sys.executable, "-m", "lightning_autobalance", *options], start_new_session=True)
    folder = Path("runs/Helmholtz2D/version_0")
    paths = [folder / f"seed_{seed}" / "checkpoints" / "last.ckpt" for seed in (0, 1)]
    try:
        until = time.monotonic() + 120
        while not all(path.exists() for path in paths) and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.1)
        process.terminate()  # the command alone, not its workers
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    for seed in (0, 1):
        assert (
            f"SIGTERM: stopped after step {state(str(folder / f'seed_{seed}'))['global_step']}."
            in (folder / f"seed_{seed}" / "output.txt").read_text()
        )
    assert not (folder / "seed_2" / "checkpoints").exists()
