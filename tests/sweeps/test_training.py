"""One run: what it tells, and that it goes on where it was interrupted."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import main_job, table1, table2
from helpers.sweeps import trained
from lightning_autobalance.sweeps.runs import Run

ROOT = Path(__file__).parents[2]
QUICK = str(ROOT / "configs" / "helmholtz_2d_quick.yaml")
SMALL = ("--data.eval_points=100", "--data.steps_per_epoch=5", "--trainer.accelerator=cpu")


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(iterations: int) -> Run:
    return Run("helmholtz_quick", "auto_adamw", 1, iterations, (QUICK,), SMALL)


def test_a_result_describes_the_run() -> None:
    result = trained(run(12))
    assert result["iterations"] == 12
    assert result["seed"] == 1
    assert result["mse"] > 0
    assert result["losses"].keys() == {"pde", "boundary"}
    assert [row["step"] for row in result["history"]] == [5, 10, 12]
    assert "balance/update_ratio/pde_x_boundary" in result["history"][0]
    assert result["device"] == "cpu"
    json.dumps(result)


def test_an_interrupted_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained(run(12))
    monkeypatch.setattr(Run, "folder", property(lambda _: Path("elsewhere/run")))  # the same for both lengths
    trained(run(7))
    rest = trained(run(12))
    assert rest["mse"] == whole["mse"]
    assert [row["step"] for row in rest["history"]] == [5, 7, 10, 12]


def test_an_interrupted_finish_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def finished(iterations: int) -> Run:
        finish = ("--model.finish=LevenbergMarquardt", "--model.finish.steps=-1", "--model.finish.tolerance=0")
        options = (*SMALL, "--data.points.interior=20", "--data.points.boundary=8", "--model.net.hidden=[6]", *finish)
        return Run("helmholtz_quick", "auto_adamw", 1, iterations, (QUICK,), options)

    whole = trained(finished(9))
    monkeypatch.setattr(Run, "folder", property(lambda _: Path("elsewhere/run")))  # the same for both lengths
    trained(finished(4))
    assert trained(finished(9))["mse"] == whole["mse"]


def test_a_run_that_ended_but_left_no_line_leaves_the_same_one_again() -> None:
    once, again = trained(run(7)), trained(run(7))
    assert not {key for key in once if once[key] != again[key]} - {"finished"}


@pytest.mark.parametrize(("bench", "number"), [(main_job, 24), (table1, 54), (table2, 108)])
def test_the_sweeps_name_configurations_that_exist(bench: ModuleType, number: int) -> None:
    runs = bench.runs()
    assert len({run.key for run in runs}) == len(runs) == number
    assert all((ROOT / config).exists() for run in runs for config in run.configs)
