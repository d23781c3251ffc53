"""A look at a problem, and trials of a few CPU seconds."""

from math import inf
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lightning_autobalance.advice.recipes import Recipe
from lightning_autobalance.advice.trials import Problem, attempt, estimated_error, look
from lightning_autobalance.cli.entry_points import run_cli

RECIPE = Recipe("AdamW", 5, "LevenbergMarquardt", "your", (("boundary", 10.0),))


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options for a toy, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    settings: dict[str, Any] = {
        "trainer": {"max_steps": 10, "accelerator": "cpu"},
        "model": {"class_path": "helpers.toys.Decay", "init_args": {"weights": {"boundary": 10.0}}},
        "data": {"points": {"interior": 16, "boundary": 2}},
    }
    Path("toy.yaml").write_text(yaml.safe_dump(settings))
    return ["--config=toy.yaml"]


@pytest.mark.parametrize("more", [[], ["--seeds", "0", "1", "--workers", "2"]])
def test_the_look_finds_terms_weights_and_answers(line: list[str], more: list[str]) -> None:
    problem = look([*line, *more], run_cli)
    assert problem.terms == ("pde", "boundary")
    assert problem.weights == {"boundary": 10.0}
    assert problem.answers["boundary"] == pytest.approx(1, rel=0.5)
    assert problem.answers["pde"] > 10


def test_a_trial_goes_through_both_phases_and_writes_nothing(
    line: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    problem = Problem(("pde", "boundary"), {}, {"pde": 40.0, "boundary": 1.0})
    trial = attempt(RECIPE, problem, line, 0.5, run_cli)
    assert trial.steps > 5
    assert trial.finish_seconds > 0
    assert trial.error < 0.05
    assert not trial.failure
    assert [path.name for path in Path().iterdir()] == ["toy.yaml"]
    assert "seed" not in capfd.readouterr().err.lower()


def test_a_recipe_that_is_refused_is_no_end(line: list[str]) -> None:
    trial = attempt(RECIPE, Problem((), {}, {}), [*line, "--model.variant=RoPINN"], 1.0, run_cli)
    assert "`variant` must leave the losses alone" in trial.outcome
    assert trial.error == inf


def test_points_must_be_known(line: list[str]) -> None:
    settings = yaml.safe_load(Path("toy.yaml").read_text())
    settings["data"] = {"class_path": "lightning.pytorch.demos.boring_classes.BoringDataModule"}
    Path("toy.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(
        MisconfigurationException, match=r"`advise` must know the points by part.* got BoringDataModule"
    ):
        look(line, run_cli)


def test_the_estimate_is_in_the_units_of_the_solution() -> None:
    assert estimated_error({"pde": 1600 * 0.01, "boundary": 0.01}, {"pde": 1600.0, "boundary": 1.0}) == pytest.approx(
        0.1
    )
    assert estimated_error({"pde": 0.04}, {}) == pytest.approx(0.2)
    assert estimated_error({"pde": float("nan")}, {"pde": 1.0}) == inf
