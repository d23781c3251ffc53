"""Lorenz's coefficients from its own measurements."""

from pathlib import Path

import pytest
import torch

from lightning_autobalance.cli.lightning_cli import run
from lightning_autobalance.problems import Lorenz
from lightning_autobalance.training.unknowns import unknowns

CONFIG = Path(__file__).parents[2] / "configs" / "lorenz.yaml"
QUIET = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
RUN = ["--trainer.logger=false", "--default_callbacks=false", "--trainer.enable_checkpointing=false"]


def test_the_states_are_those_of_the_reference_at_even_times() -> None:
    problem = Lorenz()
    assert problem.times[:, 0].tolist() == pytest.approx([0.05 * i for i in range(61)])
    torch.testing.assert_close(problem.states[0], torch.tensor([-8.0, 7.0, 27.0]))
    assert unknowns(problem)["rho"] != 15


@pytest.mark.slow
def test_the_coefficients_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    steps = ["--trainer.max_steps=460", "--model.finish.init_args.steps=60", "--data.points.interior=100"]
    found = unknowns(run(["fit", f"--config={CONFIG}", "--seed_everything=0", *steps, *QUIET, *RUN]).model)
    for name, value in Lorenz.true_parameters.items():
        assert found[name].item() == pytest.approx(value, rel=0.1), name
