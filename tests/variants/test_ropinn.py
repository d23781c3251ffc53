"""Region-optimized PINN: the card's vector, and where points move."""

import jaxtyping
import pytest
import torch

from helpers.variants import UNIT, context, line, of, problem
from lightning_autobalance.variants import RoPINN

POINTS = line(0.1, 0.2, 0.3)
HISTORY = (of(1.0, 2.0, 0.0), of(3.0, 2.0, 0.0), of(2.0, -2.0, 0.0))


def prepared(**options: object) -> RoPINN:
    variant = RoPINN(**{"seed": 0, **options})  # type: ignore[arg-type]
    variant.prepare(problem(UNIT))
    variant.begin(context(0), POINTS)
    return variant


def test_the_vector() -> None:
    variant = prepared()
    for gradient in HISTORY:
        variant.observe(torch.stack([0.25 * gradient, 0.75 * gradient]))  # two terms that add up to it
    assert variant.sigma.item() == pytest.approx(0.4503522188, rel=1e-9)
    assert variant.reach.item() == pytest.approx(2.2204842e-4, rel=1e-7)


def test_after_one_step_sigma_counts_as_one() -> None:
    variant = prepared()
    variant.observe(HISTORY[0][None])
    assert variant.sigma.item() == 1.0
    assert variant.reach.item() == pytest.approx(1e-4)


def test_only_the_latest_gradients_count() -> None:
    variant = prepared(history=3)
    for gradient in (of(100.0, -5.0, 7.0), *HISTORY):
        variant.observe(gradient[None])
    assert variant.gradients.shape == (3, 3)
    assert variant.sigma.item() == pytest.approx(0.4503522188, rel=1e-9)


def test_with_radius_zero_it_is_the_plain_pinn() -> None:
    assert torch.equal(prepared(radius=0.0).perturb(POINTS)["interior"], POINTS["interior"])


def test_points_move_forward_by_at_most_the_reach() -> None:
    variant = prepared(radius=1.0, limit=0.01)
    moved = variant.perturb(POINTS)["interior"] - POINTS["interior"]
    assert (moved >= 0).all()
    assert moved.max() <= 0.01
    assert moved.max() > 0.005
    assert torch.equal(variant.perturb(POINTS)["boundary"], POINTS["boundary"])


def test_both_sides_and_the_clamp() -> None:
    both = prepared(radius=1.0, side="both").perturb(POINTS)["interior"] - POINTS["interior"]
    assert (both < 0).any()
    assert (both > 0).any()
    clamped = prepared(radius=1.0, side="both", clamp=True).perturb(POINTS)["interior"]
    assert (clamped[:, 1] >= 0).all()
    assert not torch.equal(clamped, POINTS["interior"])


def test_draws_change_from_step_to_step_and_follow_from_the_seed() -> None:
    a, b = prepared(), prepared()
    first = a.perturb(POINTS)["interior"]
    assert torch.equal(first, b.perturb(POINTS)["interior"])
    assert torch.equal(first, a.perturb(POINTS)["interior"])  # within a step
    a.begin(context(1), POINTS)
    assert not torch.equal(first, a.perturb(POINTS)["interior"])


def test_several_samples() -> None:
    moved = prepared(samples=3).perturb(POINTS)["interior"]
    assert moved.shape == (9, 2)
    assert not torch.equal(moved[:3], moved[3:6])


def test_outside_training_points_stay() -> None:
    assert torch.equal(prepared(radius=1.0).place(POINTS)["interior"], POINTS["interior"])


@pytest.mark.parametrize("bad", [{"radius": -1.0}, {"limit": -1.0}, {"history": 0}, {"samples": 0}, {"side": "left"}])
def test_bad_numbers(bad: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it would refuse the name before us
    with pytest.raises(ValueError, match=f"`{next(iter(bad))}` must be"):
        RoPINN(**bad)  # type: ignore[arg-type]
