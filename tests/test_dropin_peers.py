"""The recipes for DeepXDE and PINA, and the pages for their users, where these are installed."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor

from lightning_autobalance.optim import AutoAdamW

EXAMPLES = Path(__file__).parents[1] / "examples"
pytestmark = pytest.mark.filterwarnings("ignore")  # the peers' own warnings are not ours to cure


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def deepxde(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("DDE_BACKEND", "pytorch")
    pytest.importorskip("deepxde")
    return load("dropin_deepxde")


@pytest.fixture
def pina() -> ModuleType:
    pytest.importorskip("pina")
    return load("dropin_pina")


def weights(net: torch.nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def set_jac(net: torch.nn.Module, losses: list[Tensor]) -> None:
    """One gradient per loss, each by a backward pass of its own."""
    params = list(net.parameters())
    rows = [torch.autograd.grad(loss, params, retain_graph=True, materialize_grads=True) for loss in losses]
    for p, column in zip(params, zip(*rows, strict=True), strict=True):
        p.jac = torch.stack(column)  # type: ignore[attr-defined]


def poisson_losses(net: Any, inside: Tensor, edge: Tensor, sign: float) -> dict[str, Tensor]:
    """Mean squares of Δu + sign f inside and of u on the edge, written without any peer."""
    x = inside.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    second = [torch.autograd.grad(slope[:, i].sum(), x, create_graph=True)[0][:, i] for i in (0, 1)]
    source = 2 * torch.pi**2 * torch.sin(torch.pi * x[:, 0]) * torch.sin(torch.pi * x[:, 1])
    return {"inside": (second[0] + second[1] + sign * source).square().mean(), "edge": net(edge).square().mean()}


def test_deepxde_takes_the_step_of_autoadamw_on_its_terms(deepxde: ModuleType) -> None:
    made, twin = deepxde.model(), deepxde.model()
    assert torch.equal(weights(made.net), weights(twin.net))
    made.compile(AutoAdamW(made.net.parameters(), lr=5e-3), decay=("step", 2, 0.5), verbose=0)
    twin.compile(AutoAdamW(twin.net.parameters(), lr=5e-3), verbose=0)
    made.train(iterations=3, display_every=1000, verbose=0)
    for lr in (5e-3, 5e-3, 2.5e-3):  # the schedule of the compiled model
        twin.opt.param_groups[0]["lr"] = lr
        set_jac(twin.net, list(twin.outputs_losses_train(*twin.data.train_next_batch())[1]))
        twin.opt.step()
    assert torch.equal(weights(made.net), weights(twin.net))
    assert made.opt.param_groups[0]["terms"] == 2


def test_deepxde_terms_are_the_equation_and_the_edge(deepxde: ModuleType) -> None:
    made = deepxde.model()
    made.compile(AutoAdamW(made.net.parameters()), verbose=0)
    found = made.outputs_losses_train(*made.data.train_next_batch())[1]
    points, count = torch.as_tensor(made.data.train_x), made.data.num_bcs[0]
    expected = poisson_losses(made.net, points[count:], points[:count], sign=1.0)
    torch.testing.assert_close(found, torch.stack([expected["inside"], expected["edge"]]), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_deepxde_learns(deepxde: ModuleType) -> None:
    assert deepxde.train(steps=1) > 0.5
    assert deepxde.train(steps=500) < 0.2


def test_pina_takes_the_step_of_autoadamw_on_its_terms(pina: ModuleType, tmp_path: Path) -> None:
    made, seen = pina.solver(), []

    class Watch(Callback):
        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            seen.append([p.jac.clone() for p in pl_module.model.parameters()])

    options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pina.Trainer(made, max_epochs=3, callbacks=[Watch()], default_root_dir=tmp_path, **options)
    trainer.train()
    assert trainer.global_step == len(seen) == 3

    twin = pina.solver()
    net, domains = twin.model, made.problem.discretised_domains  # PINA's points on the edge have a seed of their own
    points = {name: domains[name].as_subclass(Tensor) for name in ("D", "boundary")}
    optimizer = AutoAdamW(net.parameters(), lr=5e-3)
    order = ["edge" if name == "boundary" else "inside" for name in twin.problem.conditions]
    for blocks in seen:
        losses = poisson_losses(net, points["D"], points["boundary"], sign=-1.0)
        set_jac(net, [losses[name] for name in order])
        for p, block in zip(net.parameters(), blocks, strict=True):
            torch.testing.assert_close(block, p.jac, rtol=1e-3, atol=1e-4)  # type: ignore[attr-defined]
            p.jac = block  # type: ignore[attr-defined]
        optimizer.step()
    assert torch.equal(weights(made.model), weights(net))


@pytest.mark.slow
def test_pina_learns(pina: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert pina.train(steps=1) > 0.5
    assert pina.train(steps=500) < 0.2


def example(page: str) -> str:
    """The peer's own example on a page for its users, with a few steps."""
    text = (EXAMPLES.parent / "docs" / page).read_text()
    (found,) = re.findall(r'```python title="\w+_(?:deepxde|pina)\.py"\n(.*?)```', text, re.DOTALL)
    short = re.sub(r"(iterations|max_epochs)=\d+", r"\1=2", found).split('model.compile("L-BFGS")')[0]  # minutes
    assert short != found
    return short


def test_deepxdes_example_runs_as_its_page_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDE_BACKEND", "pytorch")
    pytest.importorskip("deepxde")
    names: dict[str, Any] = {}
    exec(example("from-deepxde.md"), names)
    assert names["model"].train_state.step == 2
    assert len(names["model"].losshistory.loss_train[-1]) == 3


def test_pinas_example_runs_as_its_page_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("pina")
    names: dict[str, Any] = {}
    exec(example("from-pina.md"), names)
    assert names["trainer"].global_step == 2
    assert "interior_loss" in names["trainer"].callback_metrics
