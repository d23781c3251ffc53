"""PINA with one optimizer state per loss term: its own Poisson problem.

Run it with: pip install pina-mathlab, then python examples/dropin_pina.py
What is new against plain PINA is `StepTerms` and three arguments; written for PINA 0.3.2.
"""

import sys
from typing import Any

import torch
from pina import Trainer
from pina.model import FeedForward
from pina.optim import TorchOptimizer
from pina.problem.zoo import Poisson2DSquareProblem
from pina.solver import PhysicsInformedSingleModelSolver
from pina.weighting import BaseWeighting
from torch import Tensor

from lightning_autobalance import AutoAdamW, step_terms


class StepTerms(BaseWeighting):  # type: ignore[misc]
    """A weighting of PINA is shown the losses by the name of their condition: the place to step on them."""

    def update_weights(self, losses: dict[str, Tensor]) -> dict[str, float]:
        if self.solver.trainer.training:
            step_terms(self.solver, {name: loss.as_subclass(Tensor) for name, loss in losses.items()})
        return dict.fromkeys(losses, 1.0)


def solver() -> PhysicsInformedSingleModelSolver:
    """A small Poisson problem, ready to be trained."""
    torch.manual_seed(0)
    problem = Poisson2DSquareProblem()
    problem.discretise_domain(100, "random", domains="D")
    problem.discretise_domain(40, "random", domains="boundary")
    made = PhysicsInformedSingleModelSolver(
        problem,
        FeedForward(input_dimensions=2, output_dimensions=1, layers=[20, 20]),
        optimizer=TorchOptimizer(AutoAdamW, lr=5e-3),  # was: TorchOptimizer(torch.optim.Adam, lr=5e-3)
        weighting=StepTerms(),  # added
    )
    made.automatic_optimization = False  # added
    return made


def error(made: Any) -> float:
    """The relative L2 error of a solver."""
    x = made.problem.spatial_domain.sample(400, "grid")
    with torch.no_grad():
        found, exact = made(x).as_subclass(Tensor), made.problem.solution(x).as_subclass(Tensor)
    return float((found - exact).norm() / exact.norm())


def train(steps: int = 500) -> float:
    """Train, and give the relative L2 error."""
    made = solver()
    options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    Trainer(made, max_epochs=steps, **options).train()  # one batch per epoch
    return error(made)


if __name__ == "__main__":
    sys.stdout.write(f"relative L2 error: {train():.1e}\n")
