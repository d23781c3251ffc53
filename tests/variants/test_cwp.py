"""CWP-style weights: the card's vector, and the replacement of points."""

import pytest
import torch
from torch import Tensor

from helpers.variants import UNIT, context, line, of, problem
from lightning_autobalance.variants import CWP, MeanSquares
from lightning_autobalance.variants.base import ByPart

POINTS = line(0.0, 0.1, 0.5)
RESIDUALS = {"pde": of(1.0, 4.0, 2.0), "boundary": of(2.0)}


def test_the_vector() -> None:
    variant = CWP(eta=0.1, radius=0.15)
    variant.prepare(problem())
    variant.begin(context(0), POINTS)
    losses = variant.reduce(variant.learn(POINTS, RESIDUALS))
    torch.testing.assert_close(variant.weights, of(1.0, 1.0, 0.9470588235)[None])
    assert losses["pde"].item() == pytest.approx((1 + 16 + 4 * 0.9470588235) / 3)
    assert losses["boundary"].item() == 4.0


def test_with_eta_zero_it_is_the_plain_pinn() -> None:
    variant = CWP(eta=0.0, resample_every=0)
    variant.prepare(problem())
    variant.begin(context(0), POINTS)
    losses = variant.reduce(variant.learn(variant.place(POINTS), RESIDUALS))
    assert losses["pde"].item() == MeanSquares()(POINTS, RESIDUALS)["pde"].item()


def cloud(count: int) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {"interior": torch.rand(count, 2, dtype=torch.float64), "boundary": torch.zeros(1, 2, dtype=torch.float64)}


def corner(points: ByPart) -> dict[str, Tensor]:
    """Large in one corner only."""
    x = points["interior"]
    return {"pde": (x.min(dim=1).values > 0.8).to(x) * 3 + 0.01, "boundary": of(1.0)}


def trained(variant: CWP, steps: int, count: int = 200) -> dict[str, Tensor]:
    variant.prepare(problem(UNIT))
    points = cloud(count)
    for step in range(steps):
        variant.begin(context(step, corner), points)
        placed = variant.place(points)
        variant.learn(placed, corner(placed))
    return points


def test_points_move_to_large_residuals() -> None:
    variant = CWP(resample_every=5, seed=1)
    points = trained(variant, 21)
    assert variant.current.shape == (200, 2)
    before, after = ((x.min(dim=1).values > 0.8).sum().item() for x in (points["interior"], variant.current))
    assert before < 20
    assert after > 60
    assert torch.equal(variant.anchors, points["interior"])  # what the data gives is still known
    assert variant.weights.isfinite().all()


def test_a_replacement_keeps_the_points_of_large_weights() -> None:
    variant = CWP(resample_every=5, share=0.2, seed=1)
    points = trained(variant, 5)
    weights, old = variant.weights.clone(), variant.current.clone()
    variant.begin(context(5, corner), points)
    stayed = (variant.current == old).all(dim=1)
    assert (~stayed).sum() == 40
    assert weights[0, ~stayed].max() <= weights[0, stayed].min()
    torch.testing.assert_close(variant.weights[0, stayed], weights[0, stayed])
    assert UNIT.contains(variant.current.numpy()).all()


def test_draws_follow_from_the_seed_and_the_step() -> None:
    runs = [CWP(resample_every=5, seed=seed) for seed in (1, 1, 2)]
    for variant in runs:
        trained(variant, 6)
    assert torch.equal(runs[0].current, runs[1].current)
    assert not torch.equal(runs[0].current, runs[2].current)


def test_outside_training_the_points_in_use_are_placed() -> None:
    variant = CWP(resample_every=5, seed=1)
    points = trained(variant, 6)
    assert torch.equal(variant.place(points)["interior"], variant.current)
    assert not torch.equal(variant.current, points["interior"])


@pytest.mark.parametrize(
    "bad", [{"eta": 2.0}, {"share": -0.1}, {"neighbours": 0.0}, {"radius": -1.0}, {"resample_every": -1}, {"seed": -1}]
)
def test_bad_numbers(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(bad))}` must be"):
        CWP(**bad)  # type: ignore[arg-type]
