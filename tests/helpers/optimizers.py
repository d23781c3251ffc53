"""Parameters, gradients and steps for tests of post-combine optimizers."""

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from lightning_autobalance.jacobian import backward
from lightning_autobalance.optim import PostCombine

STEPS = [[[1.0, -2.0], [100.0, 50.0]], [[3.0, -2.0], [-100.0, 50.0]], [[-1.0, 1.0], [50.0, 0.0]]]
"""Gradients of two terms in three steps; the second is larger by far."""


@final
class Descent(PostCombine):
    """The simplest post-combine optimizer: each term steps down its own gradient."""

    def __init__(self, params: Any, lr: Any = 0.1, weight_decay: float = 0.0, combine: Any = "sum") -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "combine": combine})

    def _update_(self, deltas: list[Tensor], params: list[Tensor], jacs: list[Tensor], group: dict[str, Any]) -> None:
        for delta, jac in zip(deltas, jacs, strict=True):
            delta.copy_(-group["lr"] * jac)


class CallLog:
    """An update hook that can be pickled; it notes the number of parameters of every step."""

    def __init__(self, calls: list[int]) -> None:
        self.calls = calls

    def __call__(self, params: list[Tensor], _deltas: list[Tensor]) -> None:
        self.calls.append(len(params))


def parameter(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def put(p: Tensor, rows: Any) -> None:
    """Set the gradients of all terms with respect to one parameter."""
    p.jac = torch.tensor(rows, dtype=p.dtype)  # type: ignore[attr-defined]


def random_jacs(steps: int, m: int, *shape: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Gradients of m terms, whose norms differ by a factor of 1e6, in so many steps."""
    generator = torch.Generator().manual_seed(0)
    size = torch.logspace(-2, 4, m, dtype=torch.float64).view(-1, *[1] * len(shape))
    return [(size * torch.randn(m, *shape, generator=generator, dtype=torch.float64)).to(dtype) for _ in range(steps)]


def path(optimizer: torch.optim.Optimizer, jacs: Sequence[Any] | Tensor) -> list[list[float]]:
    """Where the only parameter is after each step."""
    (w,) = optimizer.param_groups[0]["params"]
    points = []
    for jac in jacs:
        w.jac = torch.as_tensor(jac, dtype=w.dtype, device=w.device)
        w.grad = w.jac.sum(dim=0)
        optimizer.step()
        points.append(w.tolist())
    return points


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()


def train(u: nn.Module, optimizer: PostCombine, steps: int, start: int = 0) -> list[Tensor]:
    """The parameters of `net` after so many steps on two terms, with points that depend on the step alone."""
    for k in range(start, start + steps):
        x = torch.rand(7, 2, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
        optimizer.zero_grad()
        backward({"a": u(x).square().mean(), "b": (u(x) - 1).abs().mean()}, u.parameters())
        optimizer.step()
    return [p.detach().clone() for p in u.parameters()]
