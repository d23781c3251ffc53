"""Conditions of every kind in whole runs: modes, resumed, finished, under every variant."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers.conditions import Plate, Ring, SoftRing
from helpers.runs import assert_equal
from helpers.toys import fit, trainer
from helpers.waves import MAKE
from lightning_autobalance.checks import check_exact
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.jacobian import RowJacobians
from lightning_autobalance.module import PINNModule
from lightning_autobalance.optim.finish import LevenbergMarquardt
from lightning_autobalance.points import Grid, LatinHypercube, Sobol, sample

KINDS: Any = pytest.mark.parametrize("kind", [Ring, SoftRing, Plate])


def made(kind: Any, **options: Any) -> PINNModule:
    torch.manual_seed(0)
    module: PINNModule = kind(check_exact=False, **options).double()
    return module


def data(kind: Any, **options: Any) -> CollocationPoints:
    return CollocationPoints(dict(kind.counts), **{"seed": 0, "eval_points": 50, "steps_per_epoch": 3, **options})


def trained(kind: Any, folder: Path, resample_every: int = 2, **options: Any) -> Tensor:
    module = made(kind, **options)
    fit(module, folder, data(kind, resample_every=resample_every), max_steps=6)
    return parameters(module)


def parameters(module: PINNModule) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@KINDS
def test_the_exact_solution_keeps_every_condition(kind: Any) -> None:
    sizes = check_exact(made(kind))
    assert len(sizes) == len(made(kind).residuals(few(kind)))
    assert max(sizes.values()) < 1e-9


def few(kind: Any) -> dict[str, Tensor]:
    return {part: torch.rand(3, len(kind.domain.bounds)).double() for part in kind.counts}


@KINDS
def test_taylor_mode_is_reverse_mode(kind: Any, tmp_path: Path) -> None:
    assert made(kind).derivative_mode == "taylor"
    taylor, reverse = (trained(kind, tmp_path, derivatives=mode) for mode in ("taylor", "reverse"))
    torch.testing.assert_close(taylor, reverse, rtol=1e-7, atol=1e-9)


@KINDS
def test_the_rows_of_a_finish_are_those_of_automatic_differentiation(kind: Any) -> None:
    module = made(kind)
    points = data(kind).draw(module.domain, 0, torch.float64)
    params = list(module.parameters())
    rows, jacobian = RowJacobians(module)(module.residuals, points, params)
    slow = []
    for values in module.residuals(points).values():
        for value in values.flatten():
            found = torch.autograd.grad(value, params, retain_graph=True, allow_unused=True, materialize_grads=True)
            slow.append(torch.cat([g.flatten() for g in found]))
    assert sum(row.numel() for row in rows.values()) == len(slow)
    torch.testing.assert_close(jacobian.dense(), torch.stack(slow), rtol=1e-9, atol=1e-9)


@KINDS
def test_a_finish_lowers_all_conditions(kind: Any, tmp_path: Path) -> None:
    module = made(kind, finish=LevenbergMarquardt(12))
    points = data(kind)
    before = sum(loss.item() for loss in module.losses(points.draw(module.domain, 0, torch.float64)).values())
    fit(module, tmp_path, points, max_steps=13)
    after = sum(loss.item() for loss in module.losses(points.draw(module.domain, 0, torch.float64)).values())
    assert after < 0.1 * before


@KINDS
@pytest.mark.parametrize("finish", [False, True])
def test_resumed_is_uninterrupted(kind: Any, finish: bool, tmp_path: Path) -> None:
    def options() -> dict[str, Any]:
        return {"finish": LevenbergMarquardt(3)} if finish else {}

    whole = made(kind, **options())
    fit(whole, tmp_path, data(kind, resample_every=2), max_steps=8)
    part = made(kind, **options())
    stopped = fit(part, tmp_path, data(kind, resample_every=2), max_steps=8, limit_train_batches=3, max_epochs=2)
    assert 0 < stopped.global_step < 8
    stopped.save_checkpoint(tmp_path / "part.ckpt")
    resumed = made(kind, **options())
    trainer(tmp_path, max_steps=8).fit(resumed, data(kind, resample_every=2), ckpt_path=tmp_path / "part.ckpt")
    assert_equal(whole.state_dict(), resumed.state_dict(), "state_dict")


@KINDS
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n == "GPINN" else pytest.mark.slow) for n in MAKE])
def test_every_variant(kind: Any, name: str, tmp_path: Path) -> None:
    if name in ("Causal", "GrowingTime", "Stack") and kind is Plate:
        pytest.skip("needs time")
    taylor, reverse = (
        trained(kind, tmp_path, 0, derivatives=mode, variant=MAKE[name]()) for mode in ("taylor", "reverse")
    )
    torch.testing.assert_close(taylor, reverse, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("sampler", [Grid(), LatinHypercube(), Sobol()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_single_point_is_drawn_as_often_as_asked(sampler: Any, count: int) -> None:
    for draw in range(2):
        assert sample(Plate.domain, "corner", count, sampler, 0, draw).tolist() == [[0.0, 0.0]] * count
