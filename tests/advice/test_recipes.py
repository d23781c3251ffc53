"""The recipes that are tried."""

from pathlib import Path

import yaml

from lightning_autobalance.advice.recipes import FIRST, SWITCHES, Recipe, starts, switches
from lightning_autobalance.cli.lightning_cli import run


def test_every_combination_once() -> None:
    found = starts({"your": {}, "response": {"pde": 1.0, "boundary": 90.0}}, "LevenbergMarquardt")
    assert len(found) == len(set(found)) == 2 * len(FIRST)
    assert {recipe.weights for recipe in found} == {"your", "response"}
    assert {found[0].switch, *(recipe.switch for recipe in switches(found[0]))} == set(SWITCHES)


def test_equal_weights_are_tried_once() -> None:
    found = starts({"your": {"b": 2.0, "a": 1.0}, "response": {"a": 1.0, "b": 2.0}}, "LBFGS")
    assert {recipe.weights for recipe in found} == {"your"}


def test_the_settings_are_a_configuration(tmp_path: Path) -> None:
    recipe = Recipe("AdamW", 3, "LevenbergMarquardt", "response", (("boundary", 50.0),))
    config = tmp_path / "recipe.yaml"
    config.write_text(yaml.safe_dump(recipe.settings(2)))
    line = ["--config=configs/helmholtz_2d_quick.yaml", f"--config={config}", f"--trainer.default_root_dir={tmp_path}"]
    quiet = ["--trainer.logger=false", "--trainer.enable_progress_bar=false", "--default_callbacks=false"]
    small = ["--data.points={interior: 20, boundary: 8}", "--trainer.accelerator=cpu", "--trainer.callbacks=[]"]
    cli = run(["fit", *line, *quiet, *small, "--trainer.enable_checkpointing=false"])
    assert cli.trainer.global_step == 5
    assert cli.model.weights == {"boundary": 50.0}
    assert type(cli.trainer.optimizers[0]).__name__ == "AdamW"
    assert type(cli.model.finish).__name__ == "LevenbergMarquardt"
