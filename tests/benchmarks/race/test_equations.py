"""The peers' equations are those of our modules, and DeepXDE and PINA compute them."""

from functools import cache
from importlib import import_module
from typing import Any

import pytest
import torch

from benchmarks.race import deepxde, pina
from benchmarks.race.contenders import CONTENDERS
from benchmarks.race.equations import EQUATIONS
from benchmarks.race.job import RECIPE, Job
from benchmarks.race.rows import ready
from benchmarks.race.terms import Points, points_of
from lightning_autobalance.data import CollocationPoints

FEW = 6


@cache
def few(row: str) -> tuple[Any, Points]:
    """Module and points in float64: some per part."""
    config = Job(row).config
    path, name = config["model"]["class_path"].rsplit(".", 1)
    options = {k: v for k, v in config["model"].get("init_args", {}).items() if k not in (*RECIPE, "net")}
    torch.manual_seed(0)
    module = getattr(import_module(path), name)(**options).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)  # without biases, some fields are 0 at the origin
    points = {part: min(n, 4 * FEW) for part, n in config["data"]["points"].items()}
    return module, points_of(module, CollocationPoints(points, seed=0), EQUATIONS[row]).to(torch.float64)


def losses(module: Any, points: Points) -> dict[str, float]:
    """Mean squares of our residuals."""
    found = module.residuals(points.at)
    return {term: float(residual.detach().square().mean()) for term, residual in found.items()}


@pytest.mark.parametrize("row", ready())
def test_the_neutral_form_is_our_module(row: str) -> None:
    module, points = few(row)
    ours, theirs = losses(module, points), {}
    for term in points.terms:
        x = points.at[term.part].clone().requires_grad_()
        u = module.net(x)
        if term.formula is None:
            residual = u[:, points.columns(term)] - points.values(term)
        else:
            residual = term.residual(x, pina.lookup(points, x, u))
        theirs[term.name] = float(residual.detach().square().mean())
    assert set(theirs) == set(ours)
    assert theirs == pytest.approx(ours, rel=1e-8)
    assert min(ours.values()) > 0  # else anything would agree


@pytest.mark.parametrize("row", ready())
def test_deepxde_has_the_same_losses(row: str) -> None:
    if CONTENDERS["deepxde"].missing:
        pytest.skip("`deepxde` is not installed")
    module, points = few(row)
    dde = deepxde.imported()
    dde.config.set_default_float("float64")
    try:
        model = deepxde.made(dde, points, module.net)
        model.compile("adam", lr=1e-3, verbose=0)
        found = model.outputs_losses_train(*model.data.train_next_batch())[1]
    finally:
        dde.config.set_default_float("float32")
    theirs = dict(zip([term.name for term in deepxde.in_order(points)], found.tolist(), strict=True))
    assert theirs == pytest.approx(losses(module, points), rel=1e-8)


@pytest.mark.parametrize("row", ready())
def test_pina_has_the_same_losses(row: str) -> None:
    if CONTENDERS["pina"].missing:
        pytest.skip("`pina` is not installed")
    module, points = few(row)
    solver = pina.solver(points, module.net, {}, torch.optim.Adam, lr=1e-3)
    theirs = {
        name: float(solver._compute_condition_loss(condition, {"input": condition.input}, 0).detach())
        for name, condition in solver.problem.conditions.items()
    }
    assert theirs == pytest.approx(losses(module, points), rel=1e-8)
