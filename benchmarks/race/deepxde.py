"""DeepXDE by its documented recipe: Adam, then its L-BFGS, in float64, which its documentation recommends there."""

import copy
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.race.clock import Clock
from benchmarks.race.equations import EQUATIONS
from benchmarks.race.job import Job, predictor
from benchmarks.race.score import errors
from benchmarks.race.terms import Points, Term, points_of

NEVER = 10**9
SHARE = 0.3  # of the budget, for Adam
AT_ONCE = 50  # iterations of L-BFGS between two looks at the clock


def train(job: Job, against: Any, budget: float, weighted: bool = False) -> Clock:
    """Train for a budget.

    Args:
        job: What.
        against: Given the module, what errors are counted against.
        budget: CPU seconds.
        weighted: Whether the loss terms have the weights of our recipe.
    """
    dde = imported()
    module, data = job.made()
    points, net = points_of(module, data, EQUATIONS[job.row]), copy.deepcopy(module.net)
    weights = [job.weights.get(term.name, 1.0) if weighted else 1.0 for term in in_order(points)]
    known = against(module)
    clock = Clock(budget, lambda: errors(known, predictor(net, next(net.parameters()).dtype)))
    model = made(dde, points, net)
    model.compile("adam", lr=1e-3, loss_weights=weights, verbose=0)
    _train(dde, model, clock, SHARE * budget)
    dde.config.set_default_float("float64")
    clock.phase, before = "finish", clock.step
    model = made(dde, points.to(torch.float64), net.double())
    dde.optimizers.LBFGS_options |= {"maxiter": NEVER, "iter_per_step": AT_ONCE, "fun_per_step": AT_ONCE * 5 // 4}
    model.compile("L-BFGS", loss_weights=weights, verbose=0)
    _train(dde, model, clock, budget, before)
    clock.stop()
    return clock


def imported() -> Any:
    """DeepXDE with PyTorch, in float32."""
    os.environ["DDE_BACKEND"] = "pytorch"
    import deepxde as dde

    dde.config.set_default_float("float32")
    return dde


def in_order(points: Points) -> list[Term]:
    """The terms as DeepXDE has them: those of the interior, then conditions."""
    return sorted(points.terms, key=lambda term: not _inside(term))


def _inside(term: Term) -> bool:
    return term.part == "interior" and term.formula is not None


def made(dde: Any, points: Points, net: nn.Module) -> Any:
    """Its model: points inside are its anchors, those of conditions its point sets.

    Args:
        dde: The package.
        points: What to train on.
        net: The network, the same as that of all contenders.
    """
    inside, conditions = ([term for term in in_order(points) if _inside(term) is wanted] for wanted in (True, False))

    def pde(x: Tensor, u: Tensor) -> list[Tensor]:
        return [term.residual(x, lookup(dde, points, x, u)) for term in inside]

    interior = points.at["interior"].numpy()
    data = dde.data.PDE(
        dde.geometry.PointCloud(interior),
        pde,
        [_condition(dde, points, term) for term in conditions],
        anchors=interior,
    )

    class Net(dde.nn.NN):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.net(x)
            return found

    return dde.Model(data, Net())


def lookup(dde: Any, points: Points, x: Tensor, u: Tensor) -> Callable[..., Tensor]:
    """Derivatives by DeepXDE, which keeps those that it has computed.

    Args:
        dde: The package.
        points: What the names mean.
        x: Its inputs.
        u: Its outputs.
    """

    def d(field: str, *by: str) -> Tensor:
        i, js = points.fields.index(field), [points.coordinates.index(name) for name in by]
        if not js:
            return u[:, i : i + 1]
        if len(js) == 1:
            first: Tensor = dde.grad.jacobian(u, x, i=i, j=js[0])
            return first
        found: Tensor = dde.grad.hessian(u, x, component=i, i=js[0], j=js[1])
        for j in js[2:]:
            found = dde.grad.jacobian(found, x, i=0, j=j)
        return found

    return d


def _condition(dde: Any, points: Points, term: Term) -> Any:
    if term.formula is None:
        values = points.values(term)
        columns = points.columns(term)
        component = columns[0] if len(columns) == 1 else columns
        return dde.icbc.PointSetBC(points.at[term.part].numpy(), values.numpy(), component=component)

    class Operator(dde.icbc.PointSetOperatorBC):  # type: ignore[misc]
        """Applies the formula to its own points only, which costs less than to all."""

        def error(self, _: Any, inputs: Tensor, outputs: Tensor, beg: int, end: int, aux_var: Any = None) -> Tensor:  # noqa: ARG002
            whole = lookup(dde, points, inputs, outputs)
            return term.residual(inputs[beg:end], lambda field, *by: whole(field, *by)[beg:end])

    return Operator(points.at[term.part].numpy(), 0.0, None)


def _train(dde: Any, model: Any, clock: Clock, until: float, before: int = 0) -> None:
    class Watch(dde.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self) -> None:
            model._test = lambda **_: None  # losses for a display that is off
            clock.start()

        def on_batch_end(self) -> None:
            spent = clock.tick(before + model.train_state.step)
            model.stop_training = spent or clock.seconds >= until

    model.train(iterations=NEVER, display_every=NEVER, callbacks=[Watch()], verbose=0)
