"""DeepXDE on the same points, with its own network, derivatives and loop."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.peers.case import Case
from benchmarks.peers.contender import Prepared, Tick
from benchmarks.peers.problems import helmholtz_source, poisson_source, reaction

NEVER = 10**9


def _helmholtz(grad: Any, x: Tensor, u: Tensor) -> Tensor:
    u_xx, u_yy = (grad.hessian(u, x, i=i, j=i) for i in (0, 1))
    found: Tensor = u_xx + u_yy + u - helmholtz_source(x)
    return found


def _diffusion(grad: Any, x: Tensor, u: Tensor) -> Tensor:
    found: Tensor = grad.jacobian(u, x, i=0, j=1) - grad.hessian(u, x, i=0, j=0) - reaction(x)
    return found


def _inverse_poisson(grad: Any, x: Tensor, fields: Tensor) -> Tensor:
    u_xx, u_yy = (grad.hessian(fields, x, component=0, i=i, j=i) for i in (0, 1))
    (u_x, u_y), (a_x, a_y) = ([grad.jacobian(fields, x, i=k, j=j) for j in (0, 1)] for k in (0, 1))
    found: Tensor = -(a_x * u_x + a_y * u_y + fields[:, 1:] * (u_xx + u_yy)) - poisson_source(x)
    return found


EQUATIONS: Mapping[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "helmholtz_2d": _helmholtz,
    "reaction_diffusion_1d": _diffusion,
    "poisson_inverse_2d": _inverse_poisson,
}


def deepxde(case: Case) -> Prepared:
    """`Model.train` with Adam; points inside are its anchors, the others its point sets."""
    os.environ["DDE_BACKEND"] = "pytorch"
    import deepxde as dde

    known = case.of.known(case.data)
    corners = case.data["interior"].numpy()
    data = dde.data.PDE(
        dde.geometry.Rectangle(corners.min(axis=0) - 1e-3, corners.max(axis=0) + 1e-3),
        lambda x, u: EQUATIONS[case.problem](dde.grad, x, u),
        [dde.icbc.PointSetBC(k.x.numpy(), k.value.numpy(), component=k.field) for k in known],
        anchors=case.data["interior"].numpy(),
    )
    net = dde.nn.FNN([len(case.of.coordinates), *[case.width] * 3, len(case.of.fields)], "tanh", "Glorot normal")
    model = dde.Model(data, net)
    shares = [k.share for k in known]
    model.compile("adam", lr=1e-3, loss_weights=[1.0, *shares] if set(shares) != {1.0} else None, verbose=0)

    def losses() -> dict[str, Tensor]:
        pde, *others = model.outputs_losses_train(*data.train_next_batch())[1]
        term = known[0].term
        return {"pde": pde, term: torch.stack(others).sum()}

    return Prepared(lambda tick: _train(dde, model, tick), net, losses)


def _train(dde: Any, model: Any, tick: Tick) -> None:
    class Ticks(dde.callbacks.Callback):  # type: ignore[misc]
        def on_batch_end(self) -> None:
            tick()

    model.train(iterations=NEVER, display_every=NEVER, callbacks=[Ticks()], verbose=0)
