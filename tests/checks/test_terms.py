"""The loss terms of a module, with what a variant adds."""

import torch

from helpers.toys import Decay
from lightning_autobalance.checks import find_terms, prepare_variant_of
from lightning_autobalance.variants import GPINN, RBA

POINTS = {"interior": torch.rand(4, 1), "boundary": torch.tensor([[0.0], [1.0], [0.0]])}


def test_the_names_are_those_of_the_residuals() -> None:
    assert find_terms(Decay(), POINTS) == ("pde", "boundary")


def test_a_variant_may_add_terms_and_is_prepared() -> None:
    assert find_terms(Decay(variant=GPINN()), POINTS)[:2] == ("pde", "boundary")
    assert prepare_variant_of(Decay(variant=RBA()), POINTS) == ("pde", "boundary")
    assert prepare_variant_of(Decay(), POINTS) == ()
