"""One Adam step for a list of tensors, against numbers worked out by hand and against torch's optimizer."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from helpers.optimizers import parameter, path
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.optim.adam import adam_, rooted_adam_

GROUP: dict[str, Any] = {
    "lr": 0.1,
    "betas": (0.8, 0.9),
    "eps": 1.0,
    "eps_root": 0.0,
    "foreach": None,
    "capturable": False,
}


class Tensors:
    """The state of one tensor, as the functions take it."""

    def __init__(self, size: int, dtype: torch.dtype = torch.float64) -> None:
        self.delta, self.mean, self.square = (torch.zeros(size, dtype=dtype) for _ in range(3))
        self.step = torch.zeros(())

    def lists(self, jac: Tensor) -> list[list[Tensor]]:
        self.delta.zero_()
        return [[self.delta], [jac], [self.mean], [self.square], [self.step]]


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_by_hand(fused: bool) -> None:
    """Bias correction makes the first moments the gradient and its square: -0.1 * 3 / (3 + 1), -0.1 * -4 / (4 + 1)."""
    tensors = Tensors(3)
    adam_(*tensors.lists(vector(3.0, -4.0, 0.0)), group=GROUP, fused=fused)
    assert_close(tensors.delta, vector(-0.075, 0.08, 0.0))
    assert_close(tensors.mean, vector(0.6, -0.8, 0.0))
    assert_close(tensors.square, vector(0.9, 1.6, 0.0))
    assert tensors.step.item() == 1.0


def test_a_step_with_a_term_inside_the_root_by_hand() -> None:
    """-0.1 * 3 / (sqrt(9 + 16) + 1); without a gradient nothing moves."""
    tensors = Tensors(2)
    rooted_adam_(*tensors.lists(vector(3.0, 0.0)), group={**GROUP, "eps_root": 16.0})
    assert_close(tensors.delta, vector(-0.05, 0.0))
    assert_close(tensors.mean, vector(0.6, 0.0))
    assert_close(tensors.square, vector(0.9, 0.0))
    assert tensors.step.item() == 1.0


@pytest.mark.parametrize("rooted", [False, True])
def test_many_steps_are_torchs(rooted: bool) -> None:
    """Without a term inside the root, both functions are torch's Adam."""
    w = parameter(0.0, 0.0, 0.0)
    torchs = torch.optim.Adam([w], lr=0.1, betas=(0.8, 0.9), eps=1.0)
    tensors, moved = Tensors(3), torch.zeros(3, dtype=torch.float64)
    for k in range(10):
        jac = vector(1.0 + k, -3.0, 0.01 * k)
        w.grad = jac.clone()
        torchs.step()
        if rooted:
            rooted_adam_(*tensors.lists(jac), group=GROUP)
        else:
            adam_(*tensors.lists(jac), group=GROUP, fused=False)
        moved += tensors.delta
    assert_close(moved, w.detach(), rtol=1e-13, atol=1e-15)
    assert tensors.step.item() == 10.0


def test_a_tensor_as_learning_rate() -> None:
    number, tensor = Tensors(2), Tensors(2)
    for lr, tensors in ((0.1, number), (torch.full((1,), 0.1, dtype=torch.float64), tensor)):
        rooted_adam_(*tensors.lists(vector(3.0, -4.0)), group={**GROUP, "eps_root": 1.0, "lr": lr})
    assert_close(tensor.delta, number.delta, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_inside_the_root_in_half_precision(dtype: torch.dtype) -> None:
    w = parameter(1.0, 0.0, dtype=dtype)
    points = path(AutoAdamW([w], lr=0.1, eps=0.0, eps_root=1e-8), [[[1.0, 0.0]]])  # 1e-8 is zero in float16
    assert_close(points, [[0.9, 0.0]], rtol=0.0, atol=3e-3)
