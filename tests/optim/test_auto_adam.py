"""AutoAdam, against hand-computed steps."""

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from helpers.optimizers import parameter
from lightning_autobalance.jacobian import backward
from lightning_autobalance.optim import AutoAdam


def path(optimizer: AutoAdam, scales: tuple[float, float], steps: int = 3) -> list[list[float]]:
    """Two parabolas of very different size."""
    (w,) = optimizer.param_groups[0]["params"]
    points = []
    for _ in range(steps):
        optimizer.zero_grad()
        backward({name: scale * w.square().sum() / 2 for name, scale in zip("ab", scales, strict=True)}, [w])
        optimizer.step()
        points.append(w.tolist())
    return points


def test_three_steps_by_hand() -> None:
    expected = [[0.8, 1.8], [0.60396471, 1.60198119], [0.41539159, 1.40770812]]
    points = path(AutoAdam([parameter(1.0, 2.0)], lr=0.1, betas=(0.9, 0.999)), (1.0, 100.0))
    assert_close(points, expected, rtol=0.0, atol=6e-9)


def test_rescaling_a_term_changes_nothing_at_all() -> None:
    once, again = (path(AutoAdam([parameter(1.0, 2.0)], lr=0.1), scales, 10) for scales in ((1.0, 1.0), (64.0, 0.125)))
    assert_close(once, again, rtol=0.0, atol=1e-14)


def test_setting_of_theorem_1_scales_by_the_first_gradient() -> None:
    """With betas (0, 1): w - lr (g_1 / |g_1(w_0)| + g_2 / |g_2(w_0)|)."""
    points = path(AutoAdam([parameter(1.0, 2.0)], lr=0.1, betas=(0.0, 1.0)), (1.0, 100.0))
    assert_close(points, [[0.8, 1.8], [0.64, 1.62], [0.512, 1.458]], rtol=0.0, atol=1e-14)


def test_zero_gradient_moves_nothing() -> None:
    w = parameter(1.0, 2.0)
    optimizer = AutoAdam([w], lr=0.1)
    w.jac = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)  # type: ignore[attr-defined]
    for _ in range(2):
        optimizer.step()
    assert_close(w.tolist(), [1.0, 1.8])


@pytest.mark.parametrize(
    ("betas", "message"),
    [
        ((1.5, 0.9), r"`betas\[0\]` must be in \[0, 1\], got 1.5"),
        ((0.5, -0.1), r"`betas\[1\]` must be in \[0, 1\], got -0.1"),
    ],
)
def test_bad_betas_are_refused(betas: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AutoAdam([parameter(1.0)], betas=betas)
