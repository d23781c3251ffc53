"""The paper's quadratic: one optimizer per loss term (AutoAdam) against one for their sum (Adam).

L1 = |w|^2 / 2 and L2 = w^T A^T A w / 2, with A^T A = R diag(1, 10^4) R^T and R a rotation by 30 degrees, from
w0 = (1, 0.5). Both optimizers are those of Theorem 1: betas (0, 1), so that each divides by its first gradients for
ever, no bias correction, and the step size 2 / (smallest + largest eigenvalue of its preconditioned Hessian).

Draw it with: python examples/quadratic_theory.py [quadratic_theory.png]

Reference: the AutoBalance paper (arXiv 2510.06684), section 3.2, Theorem 1, Algorithms 2 and 3.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from lightning_autobalance import AutoAdam, backward

ROTATION = torch.tensor([[cos(pi / 6), -sin(pi / 6)], [sin(pi / 6), cos(pi / 6)]], dtype=torch.float64)
H1 = torch.eye(2, dtype=torch.float64)
H2 = ROTATION @ torch.tensor([1.0, 1e4], dtype=torch.float64).diag() @ ROTATION.T
START = torch.tensor([1.0, 0.5], dtype=torch.float64)


@dataclass
class Method:
    """An optimizer of Theorem 1."""

    name: str
    losses: Callable[[Tensor], dict[str, Tensor]]
    preconditioned: Tensor  # Hessian
    norm: Tensor  # W: the theorem bounds the error sqrt(w^T W w)

    @property
    def step_size(self) -> float:
        return float(2 / torch.linalg.eigvalsh(self.preconditioned)[[0, -1]].sum())

    @property
    def condition_number(self) -> float:
        smallest, largest = torch.linalg.eigvalsh(self.preconditioned).tolist()
        return float(largest / smallest)

    @property
    def bound(self) -> float:
        """Of the ratio of the errors after and before a step."""
        return (self.condition_number - 1) / (self.condition_number + 1)

    def path(self, steps: int) -> Tensor:
        """The iterates, (steps + 1, 2)."""
        w = START.clone().requires_grad_()
        optimizer = AutoAdam([w], lr=self.step_size, betas=(0.0, 1.0))
        iterates = [START]
        for _ in range(steps):
            optimizer.zero_grad()
            backward(self.losses(w), [w])
            optimizer.step()
            iterates.append(w.detach().clone())
        return torch.stack(iterates)

    def errors(self, path: Tensor) -> Tensor:
        """sqrt(w^T W w) of each iterate."""
        return ((path @ self.norm) * path).sum(dim=1).sqrt()


def auto_adam() -> Method:
    """A state for each of the two losses."""
    d1, d2 = (H1 @ START).abs(), (H2 @ START).abs()
    preconditioned = (1 / d1).diag() + H2 / torch.outer(d2, d2).sqrt()
    return Method(
        "AutoAdam",
        lambda w: {"L1": w @ H1 @ w / 2, "L2": w @ H2 @ w / 2},
        preconditioned,
        (d2 / d1).diag() + H2,
    )


def adam() -> Method:
    """One state for their sum, which makes AutoAdam the Adam of Algorithm 2."""
    d = ((H1 + H2) @ START).abs()
    return Method("Adam", lambda w: {"L": w @ (H1 + H2) @ w / 2}, (H1 + H2) / torch.outer(d, d).sqrt(), H1 + H2)


def draw(steps: int = 10_000) -> Figure:
    """Paths on the contours of the loss, and errors over the steps."""
    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _contours(left)
    for method, color, width in ((adam(), "tab:orange", 0.3), (auto_adam(), "tab:blue", 1.2)):
        path = method.path(steps)
        left.plot(
            *path[:201].T.tolist(), "o-", ms=1.5 + width, lw=width, color=color, label=f"{method.name}, 200 steps"
        )
        _errors(right, method, path, color)
    left.plot(0, 0, "k*", ms=9, label="minimum")
    left.legend(fontsize=8, loc="lower left")
    right.set(xscale="log", yscale="log", xlabel="step", ylabel=r"$\|w\|_W \; / \; \|w^0\|_W$", ylim=(1e-12, 3))
    right.legend(fontsize=8, loc="lower left")
    right.set_title("error, and the bound of Theorem 1 (dashed)")
    return figure


def _contours(axis: Axes) -> None:
    x, y = torch.meshgrid(torch.linspace(-0.45, 1.15, 300), torch.linspace(-0.5, 0.75, 300), indexing="xy")
    w = torch.stack([x, y], dim=-1).double()
    loss = ((w @ (H1 + H2)) * w).sum(dim=-1) / 2
    axis.contourf(x, y, loss.log10(), levels=[-2, -1, 0, 1, 2, 3, 4], cmap="Greys", alpha=0.6, extend="both")
    axis.set(xlabel=r"$w_1$", ylabel=r"$w_2$", title=r"paths on $L_1 + L_2$ (a shade per power of ten)")


def _errors(axis: Axes, method: Method, path: Tensor, color: str) -> None:
    errors = method.errors(path) / method.errors(path[:1])
    label = f"{method.name}\n$\\kappa$ = {method.condition_number:.2f}\nstep size {method.step_size:.4f}"
    axis.plot(range(1, len(errors)), errors[1:].tolist(), color=color, lw=2.5, label=label)
    axis.plot(range(1, len(errors)), [method.bound**t for t in range(1, len(errors))], "k--", lw=1)


if __name__ == "__main__":
    draw().savefig(sys.argv[1] if len(sys.argv) > 1 else "quadratic_theory.png", dpi=110)
