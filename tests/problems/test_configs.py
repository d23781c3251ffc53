"""Every ready problem has a configuration, which trains: briefly here, with fewer points and a smaller network."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from torch import Tensor, nn

from lightning_autobalance import PINNModule, problems
from lightning_autobalance.cli.lightning_cli import run

CONFIGS = Path(__file__).parents[2] / "configs"
SETTINGS: dict[str, Any] = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CONFIGS.glob("*.yaml"))}
PAPERS = {"helmholtz_2d", "helmholtz_2d_quick", "poisson_inverse_2d", "reaction_diffusion_1d"}  # see the tests of cli
FASTER = {  # largest share of the loss that a brief training may leave, where it is not 0.8
}
BY_DEFAULT = {"burgers_1d", "heat_inverse_2d", "lid_driven_cavity"}  # a run of each takes seconds, most for the command
QUIET = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
RUN = ["--trainer.logger=false", "--default_callbacks=false", "--trainer.enable_checkpointing=false"]


def test_every_problem_has_a_configuration_of_its_name() -> None:
    named = {path: settings["model"]["class_path"] for path, settings in SETTINGS.items()}
    assert set(named.values()) == set(problems.__all__)
    files = {Path(getattr(problems, kind).__module__.replace(".", "/")).name for kind in named.values()}
    assert files <= set(named)


FEWER = {"interior": 100, "grid": 8, "u_points": 64, "waves": 8, "steps": 5, "warmup": 3, "max_steps": 15}


def smaller(settings: Any, key: str = "") -> Any:
    """The same with networks of two layers of 16 and fewer points and steps."""
    if isinstance(settings, dict):
        return {name: smaller(each, name) for name, each in settings.items()}
    if key == "hidden":
        return [16, 16]
    if isinstance(settings, list):
        return [smaller(each) for each in settings]
    return min(settings, FEWER.get(key, 40)) if isinstance(settings, int) else settings


@pytest.mark.parametrize(
    "name",
    [
        name if name in BY_DEFAULT else pytest.param(name, marks=pytest.mark.slow)
        for name in sorted(SETTINGS.keys() - PAPERS)
    ],
)
def test_a_configuration_trains(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = SETTINGS[name]
    given = {**smaller({key: given[key] for key in ("trainer", "model", "data")}), "seed_everything": 0}
    given["model"]["init_args"]["weights"] = SETTINGS[name]["model"]["init_args"].get("weights", {})
    Path("smaller.yaml").write_text(yaml.safe_dump(given))
    cli = run(["fit", "--config=smaller.yaml", "--data.eval_points=4000", *QUIET, *RUN])
    assert cli.model.derivative_mode == "taylor"
    assert cli.trainer.callback_metrics["val/rel_l2"].isfinite()
    points = cli.datamodule.points_at(0)
    after = total(cli.model, points)
    for layer in cli.model.modules():
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    assert after < FASTER.get(name, 0.8) * total(cli.model, points)


def total(module: PINNModule, points: dict[str, Tensor]) -> float:
    """The weighted sum of the losses."""
    return float(sum((module.weights or {}).get(term, 1) * x.detach() for term, x in module.losses(points).items()))
