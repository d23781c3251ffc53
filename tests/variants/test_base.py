"""The interface of variants: its defaults are the plain PINN, stage by stage."""

from dataclasses import FrozenInstanceError

import pytest
import torch
from torch import Tensor

from helpers.variants import UNIT, context, line, of
from lightning_autobalance.points import Interval
from lightning_autobalance.variants import Moment, ProblemInfo, Site, StepContext, Variant
from lightning_autobalance.variants.base import ByPart, ByTerm

POINTS = line(0.1, 0.2)
RESIDUALS = {"pde": of(1.0, -3.0), "boundary": torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)}


class Plain(Variant):
    """Overrides nothing."""


class Doubled(Variant):
    """Overrides `rows` only."""

    def rows(self, points: ByPart, residuals: ByTerm) -> dict[str, Tensor]:
        return {term: 2 * r for term, r in residuals.items()}


class Remembers(Variant):
    """Has a buffer whose size is known in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.empty(0))


def test_terms_on_a_part_have_that_part_alone() -> None:
    parts = {"pde": ("interior",), "mixed": ("interior", "boundary"), "mean": (), "flux": ("interior",)}
    info = ProblemInfo(UNIT, parts)
    assert info.terms_on("interior") == ("pde", "flux")
    assert info.terms_on("boundary") == ()


def test_a_term_is_added_to_a_copy() -> None:
    info = ProblemInfo(UNIT, {"pde": ("interior",)}, max_steps=7, resample_every=3)
    more = info.with_term("edge", "boundary")
    assert dict(more.parts_of_terms) == {"pde": ("interior",), "edge": ("boundary",)}
    assert (more.domain, more.max_steps, more.resample_every) == (UNIT, 7, 3)
    assert dict(info.parts_of_terms) == {"pde": ("interior",)}


def test_what_a_variant_receives_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        ProblemInfo(UNIT, {}).max_steps = 3  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        context(0).step = 1  # type: ignore[misc]


def test_the_defaults_leave_problem_points_and_residuals_as_they_are() -> None:
    plain, info = Plain(), ProblemInfo(UNIT, {"pde": ("interior",)})
    assert plain.prepare(info) is info
    plain.begin(context(0), POINTS)
    for result, given in (
        (plain.place(POINTS), POINTS),
        (plain.perturb(POINTS), POINTS),
        (plain.rows(POINTS, RESIDUALS), RESIDUALS),
        (plain.learn(POINTS, RESIDUALS), RESIDUALS),
    ):
        assert list(result) == list(given)
        assert all(result[key] is given[key] for key in given)
        assert result is not given  # callers may add to it
    plain.observe(torch.ones(2, 3))
    assert plain.numbers() == {}
    assert not plain.state_dict()
    assert not any([plain.watches_gradients, plain.replaces_points, plain.has_point_weights, plain.per_point])


def test_reduce_takes_the_mean_square_over_points_and_values() -> None:
    losses = Plain().reduce(RESIDUALS)
    assert list(losses) == ["pde", "boundary"]
    assert all(loss.shape == () for loss in losses.values())
    assert losses["pde"].item() == (1 + 9) / 2
    assert losses["boundary"].item() == (1 + 4 + 9 + 16) / 4


def test_learn_and_forward_follow_from_rows() -> None:
    variant = Doubled()
    assert torch.equal(variant.learn(POINTS, RESIDUALS)["pde"], of(2.0, -6.0))
    losses = variant(POINTS, RESIDUALS)
    assert losses["pde"].item() == 4 * 5.0
    assert losses["boundary"].item() == 4 * 7.5


def test_buffers_take_the_size_that_they_have_in_a_checkpoint() -> None:
    trained, fresh = Remembers(), Remembers()
    trained.weights = of(1.0, 2.0, 3.0)
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(fresh.weights, of(1.0, 2.0, 3.0))


def test_former_names_go_on_working() -> None:
    site = Site(Interval(0, 1), {"pde": ("interior",)}, 100, 5)
    assert (site.origins, site.steps, site.redrawn) == ({"pde": ("interior",)}, 100, 5)
    assert Moment is StepContext
