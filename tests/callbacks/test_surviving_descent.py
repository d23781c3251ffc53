"""What survives of the terms' updates, against values by hand and against the moments of a slow reference."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers.toys import Poisson2D, fit
from lightning_autobalance import AutoAdamW, AutoBalance, AutoSOAP
from lightning_autobalance.callbacks import BalanceMonitor
from lightning_autobalance.callbacks.surviving_descent import (
    CANCELLED,
    ENOUGH,
    ETA,
    EndOfDescent,
    cancelled_share,
    descent_numbers,
    surviving_descent,
)
from lightning_autobalance.optim import PostCombine


def test_values_by_hand() -> None:
    moments = torch.tensor([[3.0, 4.0], [0.0, 2.0]], dtype=torch.float64)
    updates = torch.tensor([[-1.0, -1.0], [0.5, -1.0]], dtype=torch.float64)
    # the sum is (-0.5, -2): (-1.5 - 8) / 5 - 2 = -3.9 of (-3 - 4) / 5 - 1 = -2.4
    found = surviving_descent(moments.norm(dim=1), moments @ updates.T)
    assert found.item() == pytest.approx(3.9 / 2.4)
    # lengths sqrt 2 and sqrt 1.25, of the sum sqrt 4.25
    assert cancelled_share(updates @ updates.T).item() == pytest.approx(1 - 4.25**0.5 / (2**0.5 + 1.25**0.5))


def test_terms_that_do_not_meet_cancel_and_agree() -> None:
    moments = torch.eye(2, dtype=torch.float64)
    one = torch.ones(2, dtype=torch.float64)
    assert surviving_descent(one, moments @ -moments) == 1
    opposed = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    assert surviving_descent(one, opposed @ -opposed.T) == 0
    assert cancelled_share(opposed @ opposed.T) == 1
    agreed = opposed.abs()
    assert surviving_descent(one, agreed @ -agreed.T) == 2
    assert cancelled_share(agreed @ agreed.T) == 0


def test_terms_without_gradient_are_left_out() -> None:
    zero = torch.zeros(2, 2, dtype=torch.float64)
    assert surviving_descent(zero[0], zero) == 1
    assert cancelled_share(zero) == 0
    assert surviving_descent(torch.tensor([1.0, 0.0]), torch.tensor([[-1.0, 0.5], [0.0, 0.0]])) == 0.5


OPTIMIZERS = [
    AutoAdamW,
    AutoSOAP,
    partial(AutoBalance, optimizer=torch.optim.Adam),
    partial(AutoAdamW, combine="mean"),
    partial(AutoAdamW, combine=[0.25, 2.0]),
    partial(AutoSOAP, max_precondition_dim=3, precondition_frequency=2),
]


@pytest.mark.parametrize("make", OPTIMIZERS, ids=str)
def test_of_every_optimizer_with_first_moments(make: Any) -> None:
    """As with moments of its own, along the way that the parameters went."""
    torch.manual_seed(0)
    params = [torch.randn(3, 4, dtype=torch.float64), torch.randn(3, dtype=torch.float64)]
    optimizer: PostCombine = make([p.requires_grad_() for p in params], lr=1e-2)
    beta = optimizer.defaults["betas"][0]
    found: dict[str, Tensor] = {}
    deltas: list[Tensor] = []

    def keep(moved: list[Tensor], updates: list[Tensor]) -> None:
        found.update(descent_numbers(optimizer, moved, updates))
        deltas[:] = [d.flatten(1).clone() for d in updates]

    optimizer.register_update_hook(keep)
    moments = torch.zeros(2, 15, dtype=torch.float64)
    for step in range(1, 6):
        before = torch.cat([p.detach().flatten() for p in params])
        for p in params:
            p.jac = torch.randn(2, *p.shape, dtype=torch.float64)  # type: ignore[attr-defined]
        moments.lerp_(torch.cat([p.jac.flatten(1) for p in params], 1), 1 - beta)  # type: ignore[attr-defined]
        optimizer.step()
        way = torch.cat([p.detach().flatten() for p in params]) - before
        combine = optimizer.param_groups[0]["combine"]
        weights = {"sum": [1.0, 1.0], "mean": [0.5, 0.5]}.get(combine, combine) if isinstance(combine, str) else combine
        own = torch.tensor(weights, dtype=torch.float64)[:, None] * torch.cat(deltas, 1)
        unit = moments / moments.norm(dim=1, keepdim=True)
        assert found[ETA].item() == pytest.approx(float((unit @ way).sum() / (unit * own).sum()), rel=1e-6), step
        assert found[CANCELLED].item() == pytest.approx(float(1 - way.norm() / own.norm(dim=1).sum()), rel=1e-6)


@pytest.mark.parametrize("wrapped", [torch.optim.RMSprop, torch.optim.SGD])
def test_without_first_moments_only_the_cancelled_share(wrapped: type[torch.optim.Optimizer]) -> None:
    p = torch.ones(2, requires_grad=True)
    optimizer, found = AutoBalance([p], wrapped, lr=1e-2), {}
    optimizer.register_update_hook(lambda moved, deltas: found.update(descent_numbers(optimizer, moved, deltas)))
    p.jac = torch.eye(2)  # type: ignore[attr-defined]
    optimizer.step()
    assert found.keys() == {CANCELLED}
    assert found[CANCELLED].item() == pytest.approx(1 - 0.5**0.5)


def test_the_end_of_a_run() -> None:
    end = EndOfDescent()
    for i in range(ENOUGH):
        assert end.eta is None
        end.add({ETA: 0.02 if i % 2 else 0.0, "loss/a": 1.0 if i < ENOUGH // 2 else 0.25, "loss/b": 4.0})
    assert end.eta == pytest.approx(0.01)
    assert end.loss_ratio == pytest.approx(0.5)
    end.add({"loss/a": 1.0})  # a step of a finish
    assert end.steps == ENOUGH
    fresh = EndOfDescent()
    fresh.load_state_dict(end.state_dict())
    assert (fresh.eta, fresh.loss_ratio, fresh.steps) == (end.eta, end.loss_ratio, end.steps)


def test_a_run_keeps_what_it_logs_and_goes_on_after_a_resume(tmp_path: Path) -> None:
    def end(steps: int, **options: Any) -> dict[str, Any]:
        torch.manual_seed(0)
        monitor = BalanceMonitor()
        trainer = fit(Poisson2D(), tmp_path, max_steps=steps, callbacks=[monitor], log_every_n_steps=2, **options)
        trainer.save_checkpoint(tmp_path / f"{steps}.ckpt")
        return monitor.descent.state_dict()

    whole = end(24)
    assert len(whole["etas"]) == len(whole["losses"]) == 12
    end(13)
    assert end(24, ckpt_path=tmp_path / "13.ckpt") == whole
