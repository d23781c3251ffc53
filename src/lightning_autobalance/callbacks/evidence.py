"""Measures what the diagnosis of a run needs, without changing the run."""

from math import isfinite
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from lightning_autobalance.callbacks.balance_monitor import BalanceMonitor
from lightning_autobalance.callbacks.balance_statistics import BalanceStatistics
from lightning_autobalance.callbacks.diagnosis import Evidence
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.optim import PostCombine

GRID = 2500  # number of points over which the size of the solution is measured

PointsByPart = dict[str, Tensor]


def gather_evidence(trainer: Trainer, module: PINNModule) -> Evidence:
    """Measure the losses and the solution, and collect the statistics of a `BalanceMonitor`.

    Args:
        trainer: A trainer at the end of ``fit``, its optimizers and data still set up.
        module: The module it trained.
    """
    monitor = next((callback for callback in trainer.callbacks if isinstance(callback, BalanceMonitor)), None)  # type: ignore[attr-defined]
    empty = {"grad": BalanceStatistics(), "update": BalanceStatistics()}
    rel_l2 = trainer.callback_metrics.get("val/rel_l2")
    measured: dict[str, Any] = {
        **(monitor.statistics | {"descent": monitor.descent} if monitor is not None else empty),
        **_losses(trainer, module),
        **_sizes(module),
        "rel_l2": float(rel_l2) if rel_l2 is not None else None,
        "steps": trainer.global_step,
        "has_finish": module.finish is not None or module.has_own_losses or not module.variant.has_fixed_losses,
        "finished": module.finish is not None,
        "noisy": tuple(term for term in module.measured if term not in module.end_of_run.noise),
    }
    return Evidence(module.terms, isinstance(trainer.optimizers[0], PostCombine), **measured)


def _losses(trainer: Trainer, module: PINNModule) -> dict[str, dict[str, float]]:
    data: Any = getattr(trainer, "datamodule", None)
    if not isinstance(data, CollocationPoints):
        return {}
    points = data.points_at(max(trainer.global_step - 1, 0))
    fresh = data.held_out()
    with trainer.precision_plugin.forward_context():
        return {
            "trained": _mean_squares(module, points),
            "fresh": _mean_squares(module, fresh),
            "zero": _mean_squares_of_constant(module, points, torch.zeros(len(module.fields), device=module.device)),
            "flat": _mean_squares_of_constant(module, points, _level(module)),
        }


def _mean_squares(module: PINNModule, points: PointsByPart) -> dict[str, float]:
    with torch.enable_grad():  # nested reverse mode needs it
        losses = module.held_out_losses(points)  # of a class that gives losses, these
    return {term: float(loss.detach()) for term, loss in losses.items()}


def _level(module: PINNModule) -> Tensor:
    """The mean of each field over the domain."""
    with torch.no_grad():
        level: Tensor = module(module.grid(GRID).to(module.device)).mean(dim=0)
    return level


def _mean_squares_of_constant(module: PINNModule, points: PointsByPart, level: Tensor) -> dict[str, float]:
    def constant(x: Tensor) -> Tensor:
        return 0.0 * x.sum(dim=1, keepdim=True) + level.to(x.dtype)

    try:
        with module.field_replaced(constant):
            losses = _mean_squares(module, points)
    except (
        RuntimeError
    ):  # residuals that call the network itself, or differentiate by what a constant does not depend on
        return {}
    return {term: loss for term, loss in losses.items() if isfinite(loss)}


def _sizes(module: PINNModule) -> dict[str, Any]:
    columns = [module.fields.index(name) for name in module.compared]
    x = module.grid(GRID).to(module.device)
    with torch.no_grad():
        field = module(x)[:, columns].double()
        sizes: dict[str, Any] = {
            "size": _rms(field),
            "spread": _rms(field - field.mean(dim=0)),
        }
        if module.reference is not None:
            there = [module.reference.fields.index(name) for name in module.compared]
            sizes["exact_size"] = _rms(torch.as_tensor(module.reference.values[:, there]))
        elif module.has_exact:
            sizes["exact_size"] = _rms(module.exact(x)[:, columns].double())
    return sizes


def _rms(field: Tensor) -> float:
    """Root mean square."""
    return float(field.square().mean().sqrt())
