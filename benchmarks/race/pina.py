"""PINA by its own Trainer: Adam, then torch's L-BFGS with a line search, in float64."""

import copy
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from benchmarks.race.clock import Clock
from benchmarks.race.equations import EQUATIONS
from benchmarks.race.job import QUIET, Job, predictor
from benchmarks.race.score import errors
from benchmarks.race.terms import Points, Term, points_of

SHARE = 0.3  # of the budget, for Adam
LBFGS = {"lr": 1.0, "max_iter": 20, "history_size": 100, "line_search_fn": "strong_wolfe", "tolerance_change": 0.0}


class Watch(Callback):
    """Lets a clock see the steps of a run.

    Args:
        clock: Its clock.
        until: CPU seconds at which the phase ends.
    """

    def __init__(self, clock: Clock, until: float) -> None:
        self.clock = clock
        self.until = until
        self.before = clock.step

    def on_train_start(self, *_: Any) -> None:
        """Start the clock."""
        self.clock.start()

    def on_train_batch_end(self, trainer: Trainer, _: LightningModule, *__: Any) -> None:
        """Stop where the phase is over."""
        spent = self.clock.tick(self.before + trainer.global_step)
        trainer.should_stop = spent or self.clock.seconds >= self.until


def train(job: Job, against: Any, budget: float, weighted: bool = False) -> Clock:
    """Train for a budget.

    Args:
        job: What.
        against: Given the module, what errors are counted against.
        budget: CPU seconds.
        weighted: Whether the loss terms have the weights of our recipe.
    """
    module, data = job.made()
    points, net = points_of(module, data, EQUATIONS[job.row]), copy.deepcopy(module.net)
    weights = job.weights if weighted else {}
    known = against(module)
    clock = Clock(budget, lambda: errors(known, predictor(net, next(net.parameters()).dtype)))
    _train(solver(points, net, weights, torch.optim.Adam, lr=1e-3), Watch(clock, SHARE * budget))
    clock.phase = "finish"
    finish = solver(points.to(torch.float64), net.double(), weights, torch.optim.LBFGS, **LBFGS)
    _train(finish, Watch(clock, budget))
    clock.stop()
    return clock


class Plain(nn.Module):
    """A network that sees tensors without labels: faster, and those with labels cannot be indexed like others.

    Args:
        net: Maps points (b, d) to fields (b, k).
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Any) -> Tensor:
        """The fields at points."""
        found: Tensor = self.net(_plain(x))
        return found


def solver(points: Points, net: nn.Module, weights: dict[str, float], optimizer: Any, **options: Any) -> Any:
    """Its solver of one network.

    Args:
        points: What to train on.
        net: The network, the same as that of all contenders.
        weights: By term; 1 for the others.
        optimizer: Class of torch.
        **options: Of it.
    """
    from pina.optim import TorchOptimizer
    from pina.solver import PhysicsInformedSingleModelSolver
    from pina.weighting import ScalarWeighting

    return PhysicsInformedSingleModelSolver(
        problem(points),
        Plain(net),
        optimizer=TorchOptimizer(optimizer, **options),
        weighting=ScalarWeighting(weights=dict(weights)) if weights else None,
    )


def problem(points: Points) -> Any:
    """Its problem: one condition per loss term, at given points.

    Args:
        points: What to train on.
    """
    from pina import Condition, LabelTensor
    from pina.domain import CartesianDomain
    from pina.equation import Equation
    from pina.problem import SpatialProblem, TimeDependentProblem

    def condition(term: Term) -> Any:
        at = LabelTensor(points.at[term.part].clone(), list(points.coordinates))
        return Condition(input=at, equation=Equation(_equation(points, term)))

    ranges = {
        name: [float(x.min()), float(x.max())]
        for name, x in zip(points.coordinates, points.at["interior"].T, strict=True)
    }
    time = {name: ranges.pop(name) for name in ("t",) if name in ranges}
    members = {
        "output_variables": list(points.fields),
        "spatial_domain": CartesianDomain(ranges),
        "conditions": {term.name: condition(term) for term in points.terms},
        "domains": {},
    }
    if time:
        members["temporal_domain"] = CartesianDomain(time)
    bases = (SpatialProblem, TimeDependentProblem) if time else (SpatialProblem,)
    return type("Problem", bases, members)()


def _equation(points: Points, term: Term) -> Callable[[Any, Any], Tensor]:
    if term.formula is None:
        values, columns = points.values(term), points.columns(term)
        return lambda _, u: _plain(u)[:, columns] - values
    return lambda x, u: term.residual(_plain(x), lookup(points, x, u))


def lookup(points: Points, x: Any, u: Any) -> Callable[..., Tensor]:
    """Derivatives by autograd, all of the first order of a field at once; PINA's operators take several passes.

    Args:
        points: What the names mean.
        x: Its inputs.
        u: Its outputs.
    """
    gradients: dict[tuple[str, ...], Tensor] = {}

    def d(field: str, *by: str) -> Tensor:
        if not by:
            i = points.fields.index(field)
            return _plain(u)[:, i : i + 1]
        key = (field, *by[:-1])
        if key not in gradients:
            gradients[key] = _plain(torch.autograd.grad(d(*key).sum(), x, create_graph=True)[0])
        j = points.coordinates.index(by[-1])
        return gradients[key][:, j : j + 1]

    return d


def _plain(x: Any) -> Tensor:
    found: Tensor = x.as_subclass(Tensor)
    return found


def _train(solver: Any, watch: Watch) -> None:
    from pina import Trainer as PinaTrainer

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lightning: how to use more workers and a progress bar
        PinaTrainer(
            solver,
            max_epochs=-1,
            devices=1,
            shuffle=False,  # the values to meet belong to the points in their order
            callbacks=[watch],
            default_root_dir=folder,
            **{name: value for name, value in QUIET.items() if name not in ("limit_val_batches",)},
        ).train()
