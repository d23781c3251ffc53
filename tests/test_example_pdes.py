"""The examples of PDEs are short, and train: each briefly, on fewer points and steps than its file says."""

import sys
from pathlib import Path

import pytest
import yaml
from torch import Tensor, nn

from helpers.text import lines_of_code
from lightning_autobalance import PINNModule
from lightning_autobalance.cli.lightning_cli import run

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "pdes"
SHORT = {  # largest share of the loss that a brief training may leave
    "allen_cahn": 0.5,
    "burgers": 0.5,
    "heat_parametric": 0.05,
    "heat_robin": 1e-3,
    "kdv": 0.5,
    "kuramoto_sivashinsky": 0.5,
    "lid_driven_cavity": 0.5,
    "poisson_5d": 1e-3,
    "poisson_l_shape": 0.1,
    "poisson_three_holes": 0.5,
    "robin_disk": 0.01,
    "wave_2d": 0.2,
}
QUIET = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]

pytestmark = pytest.mark.usefixtures("no_pictures")  # which are tested elsewhere


def test_every_example_is_trained() -> None:
    assert {file.stem for file in FOLDER.glob("*.py")} == {file.stem for file in FOLDER.glob("*.yaml")} == set(SHORT)


@pytest.mark.parametrize("name", SHORT)
def test_an_example_is_short(name: str) -> None:
    for suffix in ("py", "yaml"):
        assert lines_of_code((FOLDER / f"{name}.{suffix}").read_text()) <= 25


@pytest.mark.parametrize("name", SHORT)
def test_an_example_trains(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")  # the references are found from the current folder
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    settings = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    counts = {part: min(n, 60) for part, n in settings["data"]["points"].items()} | {"interior": 200}
    layers = "net.init_args.hidden" if "net" in settings["model"]["init_args"]["net"]["init_args"] else "hidden"
    trained = run(
        [
            "fit",
            f"--config={FOLDER / name}.yaml",
            "--trainer.max_steps=50",
            "--model.finish.init_args.steps=10",
            f"--model.net.init_args.{layers}=[16, 16]",
            f"--data.points={counts}",
            "--data.eval_points=400",
            "--seed_everything=0",
            *QUIET,
        ]
    )
    module, points = trained.model, trained.datamodule.points_at(0)
    assert module.derivative_mode == "taylor"
    assert trained.trainer.callback_metrics["val/rel_l2"].isfinite()
    after = total(module, points)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    assert after < SHORT[name] * total(module, points)


def total(module: PINNModule, points: dict[str, Tensor]) -> float:
    """The sum of the losses, without weights."""
    return float(sum(loss.detach() for loss in module.losses(points).values()))
