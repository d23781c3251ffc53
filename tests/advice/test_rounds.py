"""Two rounds of trials, with trainings that only say how far they came."""

from pathlib import Path

import pytest
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lightning_autobalance.advice import rounds
from lightning_autobalance.advice.recipes import SWITCH, Recipe
from lightning_autobalance.advice.trials import Problem, Trial

PROBLEM = Problem(("pde", "boundary"), {"pde": 1.0}, {"pde": 500.0, "boundary": 1.0})
SPENT: list[float] = []


def trained(recipe: Recipe, problem: Problem, line: object, budget: float, command: object) -> Trial:
    SPENT.append(budget)
    better = (recipe.first == "AdamW") + 2 * (recipe.weights == "response") + (recipe.switch == 100) / 2
    return Trial(recipe, budget, recipe.switch + 10, budget / 20, 0.1**better)


@pytest.fixture
def advised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    SPENT.clear()
    monkeypatch.setattr(rounds, "look", lambda line, command: PROBLEM)
    monkeypatch.setattr(rounds, "attempt", trained)
    return tmp_path / "advised.yaml"


def test_the_best_is_written_with_as_many_steps_as_the_budget_has_room_for(
    advised: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = rounds.advise(["--config", "my pde.yaml"], print, budget=800, share=0.25, out=advised)
    assert (best.first, best.switch, best.weights) == ("AdamW", 100, "response")
    assert pytest.approx([25] * 8) == SPENT  # 4 starts, 2 more switches for each of the best 2
    settings = yaml.safe_load(advised.read_text())
    assert settings["model"]["init_args"]["weights"] == {"pde": 1.0, "boundary": 500.0}
    seconds = SPENT[-1]  # of a trial: half of it in 10 steps of the finish, half before
    expected = int((800 - seconds / 2) / (seconds / 20))
    assert settings["model"]["init_args"]["finish"]["init_args"]["steps"] == expected
    assert settings["trainer"]["max_steps"] == 100 + expected
    said = capsys.readouterr().out
    assert f"trial 4 of 4: AdamW for {SWITCH} steps" in said
    assert "lightning-autobalance fit --config 'my pde.yaml' --config" in said


def test_a_class_that_gives_losses_gets_a_finish_for_them(advised: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "look", lambda line, command: Problem(("loss",), {}, {}))
    assert rounds.advise([], print, budget=10, share=0.5, out=advised).finish == "SelfScaledBroyden"


def test_where_nothing_trains_the_reason_is_said(advised: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "attempt", lambda recipe, *_: Trial(recipe, failure="`lr` must be positive"))
    with pytest.raises(MisconfigurationException, match=r"`advise` must find a recipe .* got `lr` must be positive"):
        rounds.advise([], print, budget=10, share=0.5, out=advised)
    assert not advised.exists()


def test_no_recipe_is_written_where_every_error_is_infinite(advised: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "attempt", lambda recipe, *_: Trial(recipe))
    with pytest.raises(MisconfigurationException, match=r"`advise` must find a recipe .* got estimated error inf"):
        rounds.advise([], print, budget=10, share=0.5, out=advised)
    assert not advised.exists()
