"""PINA on the same points, with its own network, derivatives and Trainer."""

import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.peers.case import Case
from benchmarks.peers.contender import Prepared, Tick
from benchmarks.peers.ours import Ticks
from benchmarks.peers.problems import Known, helmholtz_source, poisson_source, reaction


def _plain(x: Any) -> Tensor:
    found: Tensor = x.as_subclass(Tensor)
    return found


def _helmholtz(x: Any, u: Any) -> Any:
    from pina.operator import laplacian

    return laplacian(u, x) + u - helmholtz_source(_plain(x))


def _diffusion(x: Any, u: Any) -> Any:
    from pina.operator import grad

    slope = grad(u, x)
    u_xx = grad(slope, x, components=["dudx"], d=["x"])
    return slope.extract(["dudt"]) - u_xx - reaction(_plain(x))


def _inverse_poisson(x: Any, fields: Any) -> Any:
    from pina.operator import grad, laplacian

    slope, slope_of_a = (_plain(grad(fields, x, components=[name])) for name in "ua")
    flux = (slope * slope_of_a).sum(dim=1, keepdim=True)
    return -(flux + fields.extract(["a"]) * laplacian(fields, x, components=["u"])) - poisson_source(_plain(x))


EQUATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "helmholtz_2d": _helmholtz,
    "reaction_diffusion_1d": _diffusion,
    "poisson_inverse_2d": _inverse_poisson,
}


def pina(case: Case) -> Prepared:
    """Its own Trainer with AdamW, one batch of all points per epoch; progress bar and logger off."""
    from pina.model import FeedForward
    from pina.optim import TorchOptimizer
    from pina.solver import PhysicsInformedSingleModelSolver
    from pina.weighting import ScalarWeighting

    known = {f"{k.term}_{k.field}": k for k in case.of.known(case.data)}
    problem = _problem(case, known)
    net = FeedForward(len(case.of.coordinates), len(case.of.fields), layers=[case.width] * 3)
    shares = {name: k.share for name, k in known.items() if k.share != 1.0}
    solver = PhysicsInformedSingleModelSolver(
        problem,
        net,
        optimizer=TorchOptimizer(torch.optim.AdamW, lr=1e-3),
        weighting=ScalarWeighting(weights=shares) if shares else None,
    )

    def losses() -> dict[str, Tensor]:
        found = {
            name: _plain(solver._compute_condition_loss(condition, {"input": condition.input}, 0))
            for name, condition in problem.conditions.items()
        }
        parts = torch.stack([k.share * found[name] for name, k in known.items()])
        return {"pde": found["pde"], next(iter(known.values())).term: parts.sum()}

    return Prepared(lambda tick: _train(solver, tick), net, losses)


def _problem(case: Case, known: Mapping[str, Known]) -> Any:
    from pina import Condition, LabelTensor
    from pina.domain import CartesianDomain
    from pina.equation import Equation
    from pina.problem import SpatialProblem, TimeDependentProblem

    coordinates, fields = list(case.of.coordinates), list(case.of.fields)

    def misses(k: Known) -> Any:
        return Equation(lambda _, output: output.extract([fields[k.field]]) - k.value)

    def at(x: Tensor) -> Any:
        return LabelTensor(x.clone(), coordinates)

    ranges = {
        name: [float(x.min()), float(x.max())] for name, x in zip(coordinates, case.data["interior"].T, strict=True)
    }
    time = {name: ranges.pop(name) for name in ("t",) if name in ranges}
    conditions = {"pde": Condition(input=at(case.data["interior"]), equation=Equation(EQUATIONS[case.problem]))}
    conditions |= {name: Condition(input=at(k.x), equation=misses(k)) for name, k in known.items()}
    members = {"output_variables": fields, "spatial_domain": CartesianDomain(ranges), "conditions": conditions}
    if time:
        members["temporal_domain"] = CartesianDomain(time)
    bases = (SpatialProblem, TimeDependentProblem) if time else (SpatialProblem,)
    return type("Problem", bases, {**members, "domains": {}})()


def _train(solver: Any, tick: Tick) -> None:
    from pina import Trainer

    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            solver,
            max_epochs=-1,
            accelerator="cpu",
            devices=1,
            shuffle=False,  # the values to meet belong to the points in their order
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            callbacks=[Ticks(tick)],
            default_root_dir=folder,
        ).train()
