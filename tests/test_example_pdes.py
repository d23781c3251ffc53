"""The examples of PDEs are short, and train: each briefly, on fewer points and steps than its file says."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from benchmarks.references import measured
from helpers.text import lines_of_code
from lightning_autobalance import PINNModule
from lightning_autobalance.cli.lightning_cli import run
from lightning_autobalance.training.unknowns import unknowns

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "pdes"
SHORT = {  # points of the interior, first-order steps, steps of the finish, relative L2 error to be below
    "allen_cahn": (400, 100, 10, 0.9),
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
INVERSE = {  # points of the interior, first-order steps, steps of the finish, true unknowns, relative error to be below
    "heat_probes": (200, 150, 15, {"k": 0.3}, 0.15),
    "lorenz": (100, 400, 60, {"sigma": 10, "rho": 15, "beta": 8 / 3}, 0.1),
    "navier_stokes_inverse": (200, 100, 2, {"convection": 1, "viscosity": 0.05}, 10.0),  # in full: below, slow
}
QUIET = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]

pytestmark = pytest.mark.usefixtures("no_pictures")  # which are tested elsewhere


def error(module: PINNModule, name: str) -> float:
    """The relative L2 error of the first field against the reference or the exact solution."""
    file = FOLDER / "references" / f"{name}.npz"
    if file.exists():
        table = np.load(file)
        x = torch.tensor(np.stack([table[c] for c in module.domain.coordinates], axis=1), dtype=torch.float32)
        expected = torch.tensor(table[module.fields[0]])[:, None]
    else:
        x = torch.tensor(module.domain.bounds).T
        x = x[0] + (x[1] - x[0]) * torch.rand(5000, len(module.domain.coordinates))
        x = x[torch.from_numpy(module.domain.contains(x.double().numpy()))]
        expected = module.exact(x).double()
    with torch.no_grad():
        found = module(x)[:, :1].double()
    return float((found - expected).norm() / expected.norm())


def test_every_example_is_trained() -> None:
    assert (
        {file.stem for file in FOLDER.glob("*.py")}
        == {file.stem for file in FOLDER.glob("*.yaml")}
        == {
            *SHORT,
            *INVERSE,
        }
    )


@pytest.mark.parametrize("name", [*SHORT, *INVERSE])
def test_an_example_is_short(name: str) -> None:
    for suffix in ("py", "yaml"):
        assert lines_of_code((FOLDER / f"{name}.{suffix}").read_text()) <= 25


def briefly(name: str, interior: int, first: int, last: int, *options: str) -> PINNModule:
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
            *options,
            *QUIET,
        ]
    )
    assert trained.model.derivative_mode == "taylor"
    module: PINNModule = trained.model
    return module


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])


@pytest.mark.parametrize("name", SHORT)
def test_an_example_trains(name: str, elsewhere: None) -> None:
    *lengths, bound = SHORT[name]
    assert error(briefly(name, *lengths), name) < bound


@pytest.mark.parametrize("name", INVERSE)
def test_an_inverse_example_comes_near_its_unknowns(name: str, elsewhere: None) -> None:
    *lengths, expected, bound = INVERSE[name]
    found = unknowns(briefly(name, *lengths, f"--data.measurements.file={FOLDER}/measurements/{name}.csv"))
    assert found.keys() == expected.keys()
    for unknown, value in expected.items():
        assert found[unknown].item() == pytest.approx(value, rel=bound), unknown


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_both_unknowns_of_the_flow_are_found(noise: float, elsewhere: None, tmp_path: Path) -> None:
    name = "navier_stokes_inverse"
    text = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    table = np.loadtxt(FOLDER / "measurements" / f"{name}.csv", delimiter=",", skiprows=1)
    std = noise * float(table[:, 3:].std())
    table[:, 3:] += std * np.random.default_rng(1).normal(size=(len(table), 2))
    np.savetxt(tmp_path / "flow.csv", table, delimiter=",", header="x,y,t,u,v", comments="")
    last = text["model"]["init_args"]["finish"]["init_args"]["steps"]
    first = text["trainer"]["max_steps"] - last
    options = [f"--data.measurements.file={tmp_path}/flow.csv"]
    options += [f"--data.measurements.noise_std={std}"] if noise else []
    found = unknowns(briefly(name, text["data"]["points"]["interior"], first, last, *options))
    for unknown, value in {"convection": 1.0, "viscosity": 0.05}.items():
        assert found[unknown].item() == pytest.approx(value, rel=0.05 if noise else 0.02), unknown


def test_the_files_of_measurements_are_those_of_their_script(tmp_path: Path) -> None:
    for name in ("heat_probes", "lorenz"):
        assert measured.write(name, tmp_path).read_text() == (FOLDER / "measurements" / f"{name}.csv").read_text()
