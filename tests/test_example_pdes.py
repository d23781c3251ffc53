"""The examples of PDEs are short, and train: each briefly, on fewer points, with a smaller network than in its file."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from torch import Tensor, nn

from benchmarks.references import measured
from helpers.text import lines_of_code
from lightning_autobalance import PINNModule
from lightning_autobalance.cli.lightning_cli import run
from lightning_autobalance.training.unknowns import unknowns

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "pdes"
SHORT = {  # largest share of the loss that a brief training may leave
    "heat_parametric": 0.05,
    "heat_robin": 1e-3,
    "poisson_three_holes": 0.5,
    "robin_disk": 0.01,
}
INVERSE = {  # points of the interior, steps of both phases, true unknowns, relative error to be below, network
    "heat_probes": (200, 150, 15, {"k": 0.3}, 0.15, None),
    "navier_stokes_inverse": (100, 20, 2, {"convection": 1, "viscosity": 0.05}, 10.0, [8, 8]),  # in full: below
}
QUIET = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]

pytestmark = pytest.mark.usefixtures("no_pictures")  # which are tested elsewhere


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")  # files are found from the current folder
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])


def settings_of(name: str) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return settings


def trained(name: str, interior: int, others: int, first: int, last: int, *options: str) -> Any:
    counts = {part: min(n, others) for part, n in settings_of(name)["data"]["points"].items()} | {"interior": interior}
    cli = run(
        [
            "fit",
            f"--config={FOLDER / name}.yaml",
            f"--trainer.max_steps={first + last}",
            f"--model.finish.init_args.steps={last}",
            f"--data.points={counts}",
            "--data.eval_points=400",
            "--seed_everything=0",
            *options,
            *QUIET,
        ]
    )
    assert cli.model.derivative_mode == "taylor"
    return cli


def test_every_example_is_trained() -> None:
    for suffix in ("py", "yaml"):
        assert {file.stem for file in FOLDER.glob(f"*.{suffix}")} == {*SHORT, *INVERSE}


@pytest.mark.parametrize("name", [*SHORT, *INVERSE])
def test_an_example_is_short(name: str) -> None:
    for suffix in ("py", "yaml"):
        assert lines_of_code((FOLDER / f"{name}.{suffix}").read_text()) <= 25


@pytest.mark.parametrize("name", SHORT)
def test_an_example_trains(name: str, elsewhere: None) -> None:
    net = settings_of(name)["model"]["init_args"]["net"]["init_args"]
    layers = "net.init_args.hidden" if "net" in net else "hidden"
    cli = trained(name, 200, 60, 40, 10, f"--model.net.init_args.{layers}=[16, 16]")
    assert cli.trainer.callback_metrics["val/rel_l2"].isfinite()
    module, points = cli.model, cli.datamodule.points_at(0)
    after = total(module, points)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    assert after < SHORT[name] * total(module, points)


def total(module: PINNModule, points: dict[str, Tensor]) -> float:
    """The sum of the losses, without weights."""
    return float(sum(loss.detach() for loss in module.losses(points).values()))


@pytest.mark.parametrize("name", INVERSE)
def test_an_inverse_example_comes_near_its_unknowns(name: str, elsewhere: None) -> None:
    interior, first, last, expected, bound, hidden = INVERSE[name]
    options = [f"--model.net.init_args.hidden={hidden}"] if hidden else []
    found = unknowns(trained(name, interior, 100, first, last, *options).model)
    assert found.keys() == expected.keys()
    for unknown, value in expected.items():
        assert found[unknown].item() == pytest.approx(value, rel=bound), unknown


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_both_unknowns_of_the_flow_are_found(noise: float, elsewhere: None, tmp_path: Path) -> None:
    name = "navier_stokes_inverse"
    settings = settings_of(name)
    table = np.loadtxt(FOLDER / "measurements" / f"{name}.csv", delimiter=",", skiprows=1)
    std = noise * float(table[:, 3:].std())
    table[:, 3:] += std * np.random.default_rng(1).normal(size=(len(table), 2))
    np.savetxt(tmp_path / "flow.csv", table, delimiter=",", header="x,y,t,u,v", comments="")
    last = settings["model"]["init_args"]["finish"]["init_args"]["steps"]
    first = settings["trainer"]["max_steps"] - last
    options = [f"--data.measurements.file={tmp_path}/flow.csv"]
    options += [f"--data.measurements.noise_std={std}"] if noise else []
    counts = settings["data"]["points"]
    found = unknowns(trained(name, counts["interior"], 10_000, first, last, *options).model)
    for unknown, value in {"convection": 1.0, "viscosity": 0.05}.items():
        assert found[unknown].item() == pytest.approx(value, rel=0.05 if noise else 0.02), unknown


def test_the_files_of_measurements_are_those_of_their_script(tmp_path: Path) -> None:
    name = "heat_probes"
    assert measured.write(name, tmp_path).read_text() == (FOLDER / "measurements" / f"{name}.csv").read_text()
