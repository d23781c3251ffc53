"""What the diagnosis is told is what the run is."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers.toys import Decay, Poisson2D, fit, points
from lightning_autobalance.callbacks import BalanceMonitor
from lightning_autobalance.callbacks.evidence import gather_evidence
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.points import Interval


class Unknown(PINNModule):
    """u'' = 1, without an exact solution."""

    domain = Interval(0.0, 1.0)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        (u_xx,) = self.partials(points["interior"], "xx")
        return {"pde": u_xx - 1, "boundary": self(points["boundary"])}


class GivesLosses(PINNModule):
    """u = 1, by losses alone."""

    domain = Interval(0.0, 1.0)

    def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"one": (self(points["interior"]) - 1).square().mean()}


def test_a_class_that_gives_losses(tmp_path: Path) -> None:
    module = GivesLosses()
    data = CollocationPoints({"interior": 8}, seed=0, eval_points=10)
    found = gather_evidence(fit(module, tmp_path, data, max_steps=2), module)
    assert found.zero == {"one": 1.0}
    assert found.trained["one"] == pytest.approx(module.losses(data.draw(module.domain, 0))["one"].item())


def test_losses_at_training_points_new_points_and_of_zero(tmp_path: Path) -> None:
    module = Poisson2D()
    trainer = fit(module, tmp_path, max_steps=3, callbacks=[BalanceMonitor()])
    found = gather_evidence(trainer, module)
    drawn = points(module).draw(module.domain, 0)
    pde = module.residuals(drawn)["pde"].square().mean().item()
    assert found.trained["pde"] == pytest.approx(pde, rel=1e-6)
    source = 2 * torch.pi**2 * module.exact(drawn["interior"])
    assert found.zero["pde"] == pytest.approx(source.square().mean().item(), rel=1e-6)
    assert found.zero["boundary"] == 0.0
    level = module(module.grid(2500)).mean().item()
    assert found.flat == {"pde": found.zero["pde"], "boundary": pytest.approx(level**2, rel=1e-5)}
    assert found.fresh["pde"] != found.trained["pde"]


def test_sizes_and_error(tmp_path: Path) -> None:
    module = Poisson2D()
    trainer = fit(module, tmp_path, max_steps=3, callbacks=[BalanceMonitor()])
    found = gather_evidence(trainer, module)
    assert found.exact_size == pytest.approx(0.5, rel=0.03)  # of sin sin
    assert found.rel_l2 == pytest.approx(float(trainer.callback_metrics["val/rel_l2"]))
    with torch.no_grad():
        field = module(module.grid(2500)).double()
    assert found.size == pytest.approx(field.square().mean().sqrt().item(), rel=1e-6)
    assert found.spread == pytest.approx(field.std(correction=0).item(), rel=1e-6)
    assert (found.terms, found.post_combine) == (("pde", "boundary"), True)
    assert (found.grad.count, found.update.count) == (1, 1)


def test_without_exact_solution_and_monitor(tmp_path: Path) -> None:
    module = Unknown(optimizer=partial(torch.optim.AdamW, lr=1e-3))
    data = CollocationPoints({"interior": 8, "boundary": 2}, seed=0, eval_points=10)
    found = gather_evidence(fit(module, tmp_path, data, max_steps=2), module)
    assert found.exact_size is None
    assert found.rel_l2 is None
    assert found.zero == {"pde": 1.0, "boundary": 0.0}
    assert not found.post_combine
    assert found.grad.count == found.update.count == 0


def test_residuals_that_ask_the_network_itself_have_no_zero(tmp_path: Path) -> None:
    class Direct(Unknown):
        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            x = points["interior"].requires_grad_()
            (u_x,) = torch.autograd.grad(self(x).sum(), x, create_graph=True)
            (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
            return {"pde": u_xx - 1}

    module = Direct()
    data = CollocationPoints({"interior": 8}, seed=0, eval_points=10)
    assert gather_evidence(fit(module, tmp_path, data, max_steps=2), module).zero == {}


def test_gathering_does_not_touch_the_run(tmp_path: Path) -> None:
    gathered = []

    class Gathers(BalanceMonitor):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            gathered.append(gather_evidence(trainer, pl_module))

    def weights(callback: BalanceMonitor) -> Tensor:
        torch.manual_seed(0)
        module = Decay(optimizer=partial(AutoAdamW, lr=1e-2))
        fit(module, tmp_path, points(module, resample_every=2), max_steps=10, callbacks=[callback])
        return torch.cat([p.detach().flatten() for p in module.parameters()])

    assert torch.equal(weights(BalanceMonitor()), weights(Gathers()))
    assert len(gathered) == 10
