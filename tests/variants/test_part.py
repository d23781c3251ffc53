"""Variants of one part: which terms they change, and gradients by the points."""

import pytest
import torch

from helpers.variants import line, problem
from lightning_autobalance.variants import PartVariant
from lightning_autobalance.variants.part import by_points

X = torch.tensor([[1.0, 2.0], [3.0, -1.0]], dtype=torch.float64)


def test_by_default_all_terms_of_the_part() -> None:
    variant = PartVariant()
    assert variant.terms == ()
    info = problem(mass="interior")
    assert variant.prepare(info) is info
    assert variant.terms == ("pde", "mass")
    edge = PartVariant(part="boundary")
    edge.prepare(info)
    assert edge.terms == ("boundary",)


def test_terms_that_are_named() -> None:
    variant = PartVariant(terms=["mass"])
    assert variant.terms == ("mass",)  # known before `prepare`
    variant.prepare(problem(mass="interior"))
    assert variant.terms == ("mass",)


def test_a_term_elsewhere_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"`terms` of PartVariant must name loss terms with one residual per point of 'interior', \['pde'\], "
        r"got 'boundary'",
    ):
        PartVariant(terms=["boundary"]).prepare(problem())


@pytest.mark.parametrize("terms", [None, []])
def test_a_part_without_terms_is_refused(terms: list[str] | None) -> None:
    part = "initial" if terms is None else "interior"
    with pytest.raises(ValueError, match=f"PartVariant needs a loss term with one residual per point of '{part}', got"):
        PartVariant(part, terms).prepare(problem())


def test_points_of_the_part_become_leaves() -> None:
    points = line(0.1, 0.2)
    points["interior"] = points["interior"].requires_grad_() * 1.0  # with a history
    placed = PartVariant().with_gradient(points)
    assert placed["interior"].is_leaf
    assert placed["interior"].requires_grad
    assert torch.equal(placed["interior"], points["interior"])
    assert placed["boundary"] is points["boundary"]
    assert not points["interior"].is_leaf


def test_the_gradient_by_points_by_hand() -> None:
    x = X.clone().requires_grad_()
    found = by_points(x[:, 0] ** 2 * x[:, 1], x, graph=False)
    assert torch.equal(found, torch.tensor([[4.0, 1.0], [-6.0, 9.0]], dtype=torch.float64))  # (2 x y, x^2)
    assert not found.requires_grad


def test_the_gradient_can_be_differentiated_again() -> None:
    x = X.clone().requires_grad_()
    found = by_points(x[:, 0] ** 3, x, graph=True)
    (second,) = torch.autograd.grad(found[:, 0].sum(), x)
    assert torch.equal(second[:, 0], 6 * X[:, 0])


def test_a_value_that_does_not_depend_on_the_points_is_refused() -> None:
    x, w = X.clone().requires_grad_(), torch.ones(2, dtype=torch.float64, requires_grad=True)
    with pytest.raises(ValueError, match="residual must depend on the points it is taken at"):
        by_points(w * x.detach()[:, 0], x, graph=True)
