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
QUIET = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
RUN = ["--trainer.logger=false", "--default_callbacks=false", "--trainer.enable_checkpointing=false"]


def test_every_problem_has_a_configuration_of_its_name() -> None:
    named = {path: settings["model"]["class_path"] for path, settings in SETTINGS.items()}
    assert set(named.values()) == set(problems.__all__)
    files = {Path(getattr(problems, kind).__module__.replace(".", "/")).name for kind in named.values()}
    assert files <= set(named)


def smaller(settings: dict[str, Any]) -> list[str]:
    """Options for a network of two layers of 16 with its own inputs and outputs."""
    counts = {part: min(n, 200 if part == "interior" else 60) for part, n in settings["data"]["points"].items()}
    net = settings["model"]["init_args"].get("net")
    if net is None:
        return [f"--data.points={counts}"]
    layers = "net.init_args.hidden" if "net" in net["init_args"] else "hidden"
    return [f"--data.points={counts}", f"--model.net.init_args.{layers}=[16, 16]"]


@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - PAPERS))
def test_a_configuration_trains(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    steps = [
        "--trainer.max_steps=40",
        "--model.finish.steps=8",
        "--seed_everything=0",
        "--data.eval_points=200",
    ]
    cli = run(["fit", f"--config={CONFIGS / name}.yaml", *smaller(SETTINGS[name]), *steps, *QUIET, *RUN])
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
