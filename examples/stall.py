"""Where post-combine rests: two quadratic losses in two dimensions on which AutoAdamW never moves.

L1 = (w1^2 + 10 w2^2) / 2 and L2 = (10 (w1 - 1)^2 + (w2 - 1)^2) / 2. In the open unit square their gradients have
opposite signs in both coordinates. AutoAdamW divides each by its own size: the updates are (1, 1) and (-1, -1), and
cancel, whatever the gradients are. Both losses could fall together, except on the line of Pareto-stationary points,
which the minima of all weighted sums form. AdamW, along the sum of the gradients, ends on that line.

Draw it with: python examples/stall.py [stall.png]
"""

import sys

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from lightning_autobalance import AutoAdamW, backward

H1 = torch.tensor([1.0, 10.0], dtype=torch.float64)
H2 = torch.tensor([10.0, 1.0], dtype=torch.float64)
STARTS = ((0.2, 0.7), (0.5, 0.3), (0.9, 0.6), (-0.4, 1.3), (1.4, -0.3), (-0.3, 0.5))


def losses(w: Tensor) -> dict[str, Tensor]:
    """The two terms at w, (2,)."""
    return {"L1": (H1 * w**2).sum() / 2, "L2": (H2 * (w - 1) ** 2).sum() / 2}


def minimum(weight: float) -> Tensor:
    """The minimum of weight L1 + (1 - weight) L2, a Pareto-stationary point."""
    return (1 - weight) * H2 / (weight * H1 + (1 - weight) * H2)


def path(start: tuple[float, float], *, per_term: bool, steps: int = 2000, lr: float = 1e-2) -> Tensor:
    """The iterates of AutoAdamW, or of AdamW on the sum of the losses, (steps + 1, 2); the step size falls to zero."""
    w = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = AutoAdamW([w], lr=lr)
    iterates = [w.detach().clone()]
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)
        optimizer.zero_grad()
        terms = losses(w)
        backward(terms if per_term else {"sum": terms["L1"] + terms["L2"]}, [w])
        optimizer.step()
        iterates.append(w.detach().clone())
    return torch.stack(iterates)


def draw(steps: int = 2000) -> Figure:
    """Paths of both optimizers from some starts, and the Pareto-stationary points."""
    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    pareto = torch.stack([minimum(float(weight)) for weight in torch.linspace(0, 1, 200)])
    for axis, per_term, name in zip(
        figure.subplots(1, 2), (True, False), ("AutoAdamW", "AdamW on the sum"), strict=True
    ):
        axis.fill([0, 1, 1, 0], [0, 0, 1, 1], color="0.92", label="opposite signs in both coordinates")
        axis.plot(*pareto.T.tolist(), color="tab:green", lw=3, label="Pareto-stationary points")
        for start in STARTS:
            iterates = path(start, per_term=per_term, steps=steps)
            axis.plot(*iterates.T.tolist(), color="tab:blue", lw=1.2)
            axis.plot(*start, "o", color="white", mec="tab:blue", ms=5)
            axis.plot(*iterates[-1].tolist(), "o", color="tab:blue", ms=5)
        axis.set(title=name, xlabel=r"$w_1$", ylabel=r"$w_2$", xlim=(-0.6, 1.6), ylim=(-0.6, 1.6), aspect="equal")
    axis.legend(fontsize=8, loc="lower left")
    return figure


if __name__ == "__main__":
    draw().savefig(sys.argv[1] if len(sys.argv) > 1 else "stall.png", dpi=110)
