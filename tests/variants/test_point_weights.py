"""Weights belong to points: how they are updated and applied, and that other points are an error."""

import pytest
import torch
from torch import Tensor

from helpers.variants import context, line, of, problem
from lightning_autobalance.variants import CWP, RBA, SAPINN, PointWeights
from lightning_autobalance.variants.point_weights import finite_or, relative_to_largest

POINTS = line(0.1, 0.2, 0.3)
RESIDUALS = {"pde": of(1.0, 2.0, 3.0), "boundary": of(1.0)}


class Adds(PointWeights):
    """The least that can be said: the weight grows by the norm of the residual."""

    def __init__(self, inside: bool = True, start: float = 1.0) -> None:
        super().__init__("interior", None, inside=inside, start=start)

    def updated(self, weights: Tensor, sizes: Tensor) -> Tensor:
        return weights + sizes


def started(variant: PointWeights) -> PointWeights:
    variant.prepare(problem())
    variant.begin(context(0), POINTS)
    return variant


@pytest.mark.parametrize(("inside", "factors"), [(True, (3.0, 4.0, 5.0)), (False, (3**0.5, 2.0, 5**0.5))])
def test_weights_are_updated_first_and_applied_then(inside: bool, factors: tuple[float, ...]) -> None:
    variant = started(Adds(inside, start=2.0))
    rows = variant.learn(POINTS, RESIDUALS)
    assert torch.equal(variant.weights, of(3.0, 4.0, 5.0)[None])
    torch.testing.assert_close(rows["pde"], of(*factors) * RESIDUALS["pde"])
    assert rows["boundary"] is RESIDUALS["boundary"]
    torch.testing.assert_close(variant.rows(POINTS, RESIDUALS)["pde"], rows["pde"])
    assert torch.equal(variant.weights, of(3.0, 4.0, 5.0)[None])  # applied, not updated


def test_all_values_of_a_residual_share_the_weight_of_their_point() -> None:
    variant = started(Adds())
    row = torch.tensor([[3.0, 4.0], [0.0, 0.0], [5.0, 12.0]], dtype=torch.float64)
    rows = variant.learn(POINTS, {"pde": row})
    assert torch.equal(variant.weights, of(6.0, 1.0, 14.0)[None])
    assert torch.equal(rows["pde"], row * of(6.0, 1.0, 14.0)[:, None])


def test_a_residual_that_is_not_finite_leaves_its_weight() -> None:
    variant = started(Adds())
    variant.learn(POINTS, {"pde": of(1.0, float("nan"), float("inf"))})
    assert torch.equal(variant.weights, of(2.0, 1.0, 1.0)[None])


def test_finite_or_by_hand() -> None:
    nan, inf = float("nan"), float("inf")
    assert torch.equal(finite_or(of(1.0, nan, inf, -inf), of(5.0, 6.0, 7.0, 8.0)), of(1.0, 6.0, 7.0, 8.0))


def test_relative_to_largest_by_hand() -> None:
    sizes = torch.stack([of(1.0, 4.0, 2.0), of(0.0, 0.0, 0.0), of(0.5, 0.0, 0.25)])
    expected = torch.stack([of(0.25, 1.0, 0.5), of(0.0, 0.0, 0.0), of(1.0, 0.0, 0.5)])
    assert torch.equal(relative_to_largest(sizes), expected)


def test_the_first_step_is_known() -> None:
    variant = started(Adds())
    assert variant.first_step
    variant.begin(context(1), POINTS)
    assert not variant.first_step


def test_numbers_by_hand() -> None:
    variant = started(Adds())
    variant.learn(POINTS, RESIDUALS)  # weights 2, 3, 4
    assert {name: value.item() for name, value in variant.numbers().items()} == {
        "weight_mean/pde": 3.0,
        "weight_max/pde": 4.0,
    }


def seen(variant: RBA) -> RBA:
    variant.prepare(problem())
    variant.begin(context(0), POINTS)
    variant.learn(POINTS, RESIDUALS)
    return variant


@pytest.mark.parametrize("kind", [RBA, CWP, SAPINN])
def test_points_that_are_drawn_anew_are_refused_before_training(kind: type) -> None:
    with pytest.raises(ValueError, match=f"`data.resample_every` must be 0 with {kind.__name__}.*got 5"):
        kind().prepare(problem(resample_every=5))


def test_other_points_are_refused() -> None:
    variant = seen(RBA())
    variant.begin(context(1), POINTS)
    variant.begin(context(2), {part: x.clone() for part, x in POINTS.items()})  # the same numbers
    with pytest.raises(ValueError, match=r"points of 'interior' must stay the same with RBA.*at step 3"):
        variant.begin(context(3), line(0.1, 0.2, 0.4))


def test_other_points_in_a_second_fit_need_a_new_variant() -> None:
    variant = seen(RBA())
    with pytest.raises(ValueError, match=r"at step 0.*earlier `fit`.*`module.variant = RBA"):
        variant.begin(context(0), line(0.1, 0.2, 0.4))


def test_points_of_other_parts_may_change() -> None:
    variant, moved = seen(RBA()), {**POINTS, "boundary": torch.ones(2, 2)}
    before = variant.weights.clone()
    variant.begin(context(1), moved)
    rows = variant.learn(moved, {**RESIDUALS, "boundary": of(1.0, 5.0)})
    assert torch.equal(rows["boundary"], of(1.0, 5.0))
    assert (variant.weights > before).all()
    assert torch.equal(variant.anchors, POINTS["interior"])


def test_other_numbers_of_points_are_refused_outside_training_too() -> None:
    with pytest.raises(ValueError, match="RBA must see the points that its weights belong to, 3 of 'interior', got 2"):
        seen(RBA())(line(0.1, 0.2), {"pde": of(1.0, 2.0)})


def test_before_the_first_step_nothing_is_weighted() -> None:
    assert RBA(terms=["pde"])(POINTS, RESIDUALS)["pde"].item() == pytest.approx(14 / 3)


def test_terms_by_name() -> None:
    info = problem(mass="interior")
    variant = RBA()
    variant.prepare(info)
    assert variant.terms == ("pde", "mass")
    variant = RBA(terms=["mass"])
    variant.prepare(info)
    assert variant.terms == ("mass",)
    with pytest.raises(ValueError, match=r"`terms` of RBA must name loss terms.*\['pde', 'mass'\], got 'edge'"):
        RBA(terms=["edge"]).prepare(info)
    with pytest.raises(ValueError, match="RBA needs a loss term with one residual per point of 'initial'"):
        RBA(part="initial").prepare(info)


def test_evaluation_changes_nothing() -> None:
    variant = seen(RBA())
    before = variant.weights.clone()
    variant(POINTS, RESIDUALS)
    assert torch.equal(before, variant.weights)


def test_numbers_for_the_log() -> None:
    found = seen(RBA()).numbers()
    assert found.keys() == {"weight_mean/pde", "weight_max/pde"}
    assert found["weight_max/pde"].item() == pytest.approx(1e-3)
