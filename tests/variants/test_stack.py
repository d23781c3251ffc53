"""Variants at once."""

import pytest
import torch

from helpers.variants import context, line, of, problem
from lightning_autobalance.variants import (
    CWP,
    GPINN,
    RAD,
    RBA,
    SAPINN,
    CoPINN,
    GrowingTime,
    MeanSquares,
    RoPINN,
    Stack,
    Variant,
)

POINTS = line(0.1, 0.2, 0.3)


def test_one_alone_is_itself() -> None:
    alone, stacked = RBA(eta=0.01), Stack([RBA(eta=0.01)])
    for variant in (alone, stacked):
        variant.prepare(problem())
        variant.begin(context(0), POINTS)
    residuals = {"pde": of(1.0, 2.0, 3.0), "boundary": of(1.0)}
    for a, b in zip(alone.learn(POINTS, residuals).values(), stacked.learn(POINTS, residuals).values(), strict=True):
        assert torch.equal(a, b)


def test_each_sees_what_the_one_before_gives() -> None:
    attention = RBA()
    Stack([GPINN(), attention]).prepare(problem())
    assert attention.terms == ("pde", "pde_gradient")
    attention = RBA()
    Stack([attention, GPINN()]).prepare(problem())
    assert attention.terms == ("pde",)


def test_weights_multiply() -> None:
    variant = Stack([RBA(eta=0.0, gamma=1.0, start=2.0), RBA(eta=0.0, gamma=1.0, start=3.0)])
    variant.prepare(problem())
    variant.begin(context(0), POINTS)
    residuals = {"pde": of(1.0, 2.0, 3.0), "boundary": of(1.0)}
    torch.testing.assert_close(variant.learn(POINTS, residuals)["pde"], 6 * residuals["pde"])
    torch.testing.assert_close(variant(POINTS, residuals)["pde"], 36 * MeanSquares()(POINTS, residuals)["pde"])


def test_moved_points_do_not_disturb_weights_of_points() -> None:
    attention, alone = RBA(), RBA()
    variant = Stack([RoPINN(radius=1.0, seed=0), attention])
    for each in (variant, alone):
        each.prepare(problem())
    residuals = {"pde": of(1.0, 2.0, 3.0), "boundary": of(1.0)}
    for step in range(3):
        for each in (variant, alone):
            each.begin(context(step), POINTS)
        moved = variant.perturb(variant.place(POINTS))
        assert not torch.equal(moved["interior"], POINTS["interior"])
        assert torch.equal(variant.learn(moved, residuals)["pde"], alone.learn(POINTS, residuals)["pde"])
    assert torch.equal(attention.weights, alone.weights)
    assert torch.equal(attention.anchors, POINTS["interior"])


def test_only_those_that_watch_see_gradients() -> None:
    assert Stack([RBA(), RoPINN()]).watches_gradients
    assert not Stack([RBA(), CoPINN()]).watches_gradients
    region = RoPINN()
    Stack([RBA(), region]).observe(torch.ones(2, 5))
    assert region.gradients.shape == (1, 5)


@pytest.mark.parametrize("others", [[RBA(), CWP()], [RAD(), SAPINN()], [CWP(), RAD(), RBA()]])
def test_weights_of_points_and_new_points_do_not_stack(others: list[Variant]) -> None:
    with pytest.raises(ValueError, match=r"`variants` must not hold both .* whose weights belong to points that stay"):
        Stack(others)


@pytest.mark.parametrize("others", [[GrowingTime(), RAD()], [RAD(), RAD()]])
def test_points_that_a_later_one_ignores(others: list[Variant]) -> None:
    with pytest.raises(ValueError, match=r"`variants` must not hold \w+ before RAD, which has points of its own"):
        Stack(others)


def test_points_of_other_parts_and_of_one_before_stack() -> None:
    Stack([RAD(), RAD(part="boundary"), GrowingTime()])


def test_none_is_refused() -> None:
    with pytest.raises(ValueError, match="`variants` must hold at least one variant, got none"):
        Stack([])


def test_numbers_by_name() -> None:
    assert Stack([RoPINN(), CoPINN()]).numbers().keys() == {
        "RoPINN/radius",
        "RoPINN/sigma",
        "CoPINN/residual_weight",
    }
