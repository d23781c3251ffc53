"""Variants on a problem: what they are told, the terms they add, and what they cannot work with."""

from collections.abc import Mapping

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from helpers.variants import context, line, of, problem
from lightning_autobalance.balancing import DWA, NTK
from lightning_autobalance.checks.variant import (
    check_variant_has_residuals,
    check_variant_losses,
    holds_points,
    prepare_variant,
)
from lightning_autobalance.variants import GPINN, RBA, MeanSquares, Stack, Variant

POINTS = line(0.25, 0.5)


def residuals(points: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"pde": points["interior"][:, 0] ** 2, "boundary": of(3.0)}


def test_a_variant_is_shown_the_problem() -> None:
    variant = RBA()
    assert prepare_variant(variant, problem(), None) == ("pde", "boundary")
    assert tuple(variant.terms) == ("pde",)


def test_terms_that_a_variant_adds_come_last() -> None:
    assert prepare_variant(GPINN(), problem(), DWA()) == ("pde", "boundary", "pde_gradient")


def test_a_variant_that_cannot_work_with_the_problem() -> None:
    message = "`variant` GPINN cannot work with this run: .*no term 'pde_gradient'"
    with pytest.raises(MisconfigurationException, match=message):
        prepare_variant(GPINN(terms=["pde"]), problem(pde_gradient="interior"), None)


def test_kernels_exist_only_for_terms_with_residuals() -> None:
    message = "`balancer` must not be NTK with the variant GPINN: .* GPINN adds a term that has none"
    with pytest.raises(MisconfigurationException, match=message):
        prepare_variant(GPINN(), problem(), NTK())
    assert prepare_variant(RBA(), problem(), NTK()) == ("pde", "boundary")


def test_a_module_that_computes_its_losses_has_no_variant() -> None:
    check_variant_has_residuals(MeanSquares(), "Toy", own_losses=True)
    check_variant_has_residuals(RBA(), "Toy", own_losses=False)
    message = "`variant` must be left out where a module gives only losses, got RBA.* Write `residuals` in Toy"
    with pytest.raises(MisconfigurationException, match=message):
        check_variant_has_residuals(RBA(), "Toy", own_losses=True)


def test_the_losses_are_computed_once_and_named() -> None:
    variant = GPINN()
    prepare_variant(variant, problem(), None)
    with torch.no_grad():  # the variant differentiates all the same
        assert check_variant_losses(variant, residuals, POINTS, "Toy") == ("pde", "boundary", "pde_gradient")


def test_a_variant_that_cannot_work_with_the_residuals() -> None:
    class Fails(Variant):
        def rows(self, points: Mapping[str, Tensor], residuals: Mapping[str, Tensor]) -> dict[str, Tensor]:
            raise ValueError("too few rows")

    with pytest.raises(MisconfigurationException, match="`variant` Fails cannot work with Toy: too few rows"):
        check_variant_losses(Fails(), residuals, POINTS, "Toy")


@pytest.mark.parametrize("stacked", [False, True])
def test_weights_per_point_belong_to_the_points_of_a_run(stacked: bool) -> None:
    rba = RBA()
    variant = Stack([MeanSquares(), rba]) if stacked else rba
    prepare_variant(variant, problem(), None)
    assert not holds_points(variant)
    variant.begin(context(0), POINTS)
    variant.learn(POINTS, residuals(POINTS))
    assert holds_points(variant)


def test_mean_squares_hold_no_points() -> None:
    assert not holds_points(MeanSquares())
