"""Weights belong to points: other points are an error."""

import pytest
import torch

from helpers.variants import context, line, of, problem
from lightning_autobalance.variants import CWP, RBA, SAPINN

POINTS = line(0.1, 0.2, 0.3)
RESIDUALS = {"pde": of(1.0, 2.0, 3.0), "boundary": of(1.0)}


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


def test_points_of_other_parts_may_change() -> None:
    variant = seen(RBA())
    variant.begin(context(1), {**POINTS, "boundary": torch.ones(1, 2)})


def test_other_numbers_of_points_are_refused_outside_training_too() -> None:
    with pytest.raises(ValueError, match="RBA must see the points that its weights belong to, 3 of 'interior', got 2"):
        seen(RBA())(line(0.1, 0.2), {"pde": of(1.0, 2.0)})


def test_before_the_first_step_nothing_is_weighted() -> None:
    assert RBA(terms=["pde"])(POINTS, RESIDUALS)["pde"].item() == pytest.approx(14 / 3)


def test_terms_by_name() -> None:
    where = problem(mass="interior")
    variant = RBA()
    variant.prepare(where)
    assert variant.terms == ("pde", "mass")
    variant = RBA(terms=["mass"])
    variant.prepare(where)
    assert variant.terms == ("mass",)
    with pytest.raises(ValueError, match=r"`terms` of RBA must name loss terms.*\['pde', 'mass'\], got 'edge'"):
        RBA(terms=["edge"]).prepare(where)
    with pytest.raises(ValueError, match="RBA needs a loss term with one residual per point of 'initial'"):
        RBA(part="initial").prepare(where)


def test_evaluation_changes_nothing() -> None:
    variant = seen(RBA())
    before = variant.weights.clone()
    variant(POINTS, RESIDUALS)
    assert torch.equal(before, variant.weights)


def test_numbers_for_the_log() -> None:
    found = seen(RBA()).numbers()
    assert found.keys() == {"weight_mean/pde", "weight_max/pde"}
    assert found["weight_max/pde"].item() == pytest.approx(1e-3)
