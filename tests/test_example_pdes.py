"""The examples of PDEs are short, and train: each briefly, on fewer points and steps than its file says."""

import sys
from pathlib import Path

import pytest
import yaml

from helpers.text import lines_of_code
from lightning_autobalance.cli.lightning_cli import run

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "pdes"
SHORT = {  # points of the interior, first-order steps, steps of the finish, relative L2 error to be below
    "allen_cahn": (400, 100, 10, 0.9),
    "burgers": (400, 100, 10, 0.9),
    "heat_parametric": (400, 100, 20, 0.05),
    "heat_robin": (300, 60, 15, 0.01),
    "kdv": (400, 100, 10, 0.9),
    "kuramoto_sivashinsky": (300, 60, 10, 0.9),
    "lid_driven_cavity": (300, 60, 10, 0.9),
    "poisson_5d": (300, 60, 15, 0.05),
    "poisson_l_shape": (400, 100, 20, 0.3),
    "poisson_three_holes": (400, 100, 20, 0.5),
    "robin_disk": (300, 60, 15, 0.02),
    "wave_2d": (400, 100, 20, 0.2),
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
    interior, first, last, bound = SHORT[name]
    points = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["data"]["points"]
    counts = {part: min(n, 100) for part, n in points.items()} | {"interior": interior}
    trained = run(
        [
            "fit",
            f"--config={FOLDER / name}.yaml",
            f"--trainer.max_steps={first + last}",
            f"--model.finish.init_args.steps={last}",
            f"--data.points={counts}",
            "--data.eval_points=400",
            "--seed_everything=0",
            *QUIET,
        ]
    )
    assert trained.model.derivative_mode == "taylor"
    assert trained.trainer.callback_metrics["val/rel_l2"] < bound


def test_every_stored_reference_is_used() -> None:
    for file in (FOLDER / "references").glob("*.npz"):
        model = yaml.safe_load((FOLDER / f"{file.stem}.yaml").read_text())["model"]
        assert model["init_args"]["reference"] == {"file": str(file.relative_to(ROOT))}
