"""What README and examples show works, and is as short as we say."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from torch import nn

from helpers.text import lines_of_code
from lightning_autobalance.cli import main
from lightning_autobalance.cli.lightning_cli import run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
QUIET = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]


pytestmark = pytest.mark.usefixtures("no_pictures")  # which are tested elsewhere


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readmes_pde_trains_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_pde.py").write_text(blocks("python")[0])
    (tmp_path / "my_pde.yaml").write_text(blocks("yaml")[0])
    main(["fit", "--config=my_pde.yaml", "--trainer.max_steps=3", "--data.eval_points=100", *QUIET])
    assert (tmp_path / "runs" / "Poisson2D").exists()


def test_a_new_pde_is_short() -> None:
    for python, config in [
        (blocks("python")[0], blocks("yaml")[0]),
        ((ROOT / "examples/poisson_2d.py").read_text(), (ROOT / "examples/poisson_2d.yaml").read_text()),
    ]:
        assert lines_of_code(python) <= 15
        assert lines_of_code(config) <= 20
        assert yaml.safe_load(config)["data"]["points"]


def test_the_readmes_torch_loop_runs() -> None:
    torch.manual_seed(0)
    x = torch.rand(20, 2)
    losses = {"pde_loss": lambda net: net(x).square().mean(), "boundary_loss": lambda net: (net(x) - 1).square().mean()}
    net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    before = [p.clone() for p in net.parameters()]
    exec(blocks("python")[1].replace("10_000", "3"), {"net": net, **losses})
    assert not any(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_the_example_pde_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    config = ROOT / "examples" / "poisson_2d.yaml"
    cli = run(
        [
            "fit",
            f"--config={config}",
            "--trainer.max_steps=200",
            "--data.eval_points=400",
            "--data.points.interior=100",
            *QUIET,
        ]
    )
    assert cli.trainer.callback_metrics["val/rel_l2"] < 0.5


def test_the_plain_torch_loop_of_the_examples_learns() -> None:
    assert load(ROOT / "examples" / "plain_torch_loop.py").train(steps=600) < 0.1


def test_a_module_of_somebody_else_learns_with_step_terms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(ROOT / "examples" / "dropin_lightning.py").train(steps=300) < 0.1


@pytest.mark.slow
def test_the_quick_configuration_is_accurate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cli = run(["fit", f"--config={ROOT / 'configs' / 'helmholtz_2d_quick.yaml'}", *QUIET])
    assert cli.trainer.callback_metrics["val/rel_l2"] < 0.05
