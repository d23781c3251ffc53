"""DeepXDE with one optimizer state per loss term: -Δu = f on the unit square, u = 0 on its edge.

Run it with: pip install deepxde, then DDE_BACKEND=pytorch python examples/dropin_deepxde.py
What is new against plain DeepXDE is `TermModel` and the optimizer; written for DeepXDE 1.15.
"""

import os
import sys
from typing import Any

os.environ.setdefault("DDE_BACKEND", "pytorch")

import deepxde as dde
import numpy as np
import torch
from torch import Tensor

from lightning_autobalance import AutoAdamW, backward


class TermModel(dde.Model):  # type: ignore[misc]
    """DeepXDE sums the losses before it differentiates; this differentiates each."""

    def _train_step(self, inputs: Any, targets: Any, auxiliary_vars: Any) -> None:
        _, losses = self.outputs_losses_train(inputs, targets, auxiliary_vars)
        self.opt.zero_grad()
        params = [p for group in self.opt.param_groups for p in group["params"]]
        backward({f"loss_{i}": loss for i, loss in enumerate(losses)}, params)
        self.opt.step()
        if self.lr_scheduler is not None:
            self.lr_scheduler.step()


def model() -> TermModel:
    """A small Poisson problem, not compiled yet."""
    dde.config.set_random_seed(0)
    square = dde.geometry.Rectangle([0, 0], [1, 1])

    def pde(x: Tensor, u: Tensor) -> Any:
        u_xx, u_yy = (dde.grad.hessian(u, x, i=i, j=i) for i in (0, 1))
        return u_xx + u_yy + 2 * torch.pi**2 * torch.sin(torch.pi * x[:, :1]) * torch.sin(torch.pi * x[:, 1:])

    edge = dde.icbc.DirichletBC(square, lambda _: 0, lambda _, on_boundary: on_boundary)
    data = dde.data.PDE(square, pde, edge, num_domain=100, num_boundary=40, solution=exact, num_test=400)
    return TermModel(data, dde.nn.FNN([2, 20, 20, 1], "tanh", "Glorot normal"))


def exact(x: Any) -> Any:
    """The exact solution, (b, 2) to (b, 1)."""
    return np.sin(np.pi * x[:, :1]) * np.sin(np.pi * x[:, 1:])


def train(steps: int = 500) -> float:
    """Train, and give the relative L2 error."""
    made = model()
    # An unknown of an inverse problem, dde.Variable, belongs into the list of parameters, too.
    made.compile(AutoAdamW(made.net.parameters(), lr=5e-3), metrics=["l2 relative error"], verbose=0)
    history, _ = made.train(iterations=steps, display_every=steps, verbose=0)
    return float(history.metrics_test[-1][0])


if __name__ == "__main__":
    sys.stdout.write(f"relative L2 error: {train():.1e}\n")
