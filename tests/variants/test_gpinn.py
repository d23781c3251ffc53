"""Gradient-enhanced PINN: the card's numbers."""

from math import exp, sin

import pytest
import torch
from torch import Tensor

from helpers.toys import Poisson2D
from helpers.variants import UNIT, of, problem
from lightning_autobalance.problems import ReactionDiffusion1D
from lightning_autobalance.variants import GPINN

AT = torch.tensor([[0.4, 0.2]], dtype=torch.float64)


def rows(variant: GPINN, residual: "object", x: Tensor) -> dict[str, Tensor]:
    variant.prepare(problem())
    placed = variant.place({"interior": x, "boundary": x})
    return variant.rows(placed, {"pde": residual(placed["interior"]), "boundary": of(2.0)})  # type: ignore[operator]


def test_the_toy_of_the_card() -> None:
    def residual(x: Tensor) -> Tensor:  # u = A sin(2x) exp(-t): u_t - u_xx = 3 u
        return 3 * 0.7 * torch.sin(2 * x[:, 0]) * torch.exp(-x[:, 1])

    found = rows(GPINN(weight=0.5), residual, AT)
    torch.testing.assert_close(found["pde"], of(1.2333751343))
    torch.testing.assert_close(found["pde_gradient"], torch.tensor([[2.3957438771, -1.2333751343]]).double())
    loss = GPINN(weight=0.5).reduce(found)["pde_gradient"].item()  # sqrt(w d) = 1 here: mean of 2 = w * sum
    assert loss == pytest.approx(0.5 * (2.3957438771**2 + 1.2333751343**2))


def test_weights_and_the_sum_over_coordinates() -> None:
    found = rows(GPINN(weight=0.1), lambda x: x[:, 0] * 3 + x[:, 1] * 4, torch.rand(5, 2, dtype=torch.float64))
    assert GPINN().reduce(found)["pde_gradient"].item() == pytest.approx(0.1 * 25)


def test_the_source_of_reaction_diffusion_is_differentiated() -> None:
    module = ReactionDiffusion1D().double()
    x = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    with module.field_replaced(lambda x: 0 * x[:, :1] * x[:, 1:]):  # then the residual is minus the source
        found = rows(
            GPINN(weight=0.5),
            lambda x: module.residuals({"interior": x, "boundary": x.detach(), "initial": x.detach()})["pde"],
            x,
        )
    torch.testing.assert_close(found["pde_gradient"], torch.tensor([[17.0674918953, 4.0597844617]]).double())


def test_it_vanishes_on_the_exact_solution_and_else_does_not() -> None:
    module = Poisson2D(variant=GPINN()).double()
    points = {"interior": torch.rand(20, 2).double(), "boundary": torch.zeros(4, 2).double()}
    with module.field_replaced(module.exact):
        assert module.losses(points)["pde_gradient"].item() < 1e-20
    assert module.losses(points)["pde_gradient"].item() > 1e-3


def test_taylor_and_reverse_mode_agree_in_value_and_gradient() -> None:
    points = {"interior": torch.rand(20, 2).double(), "boundary": torch.zeros(4, 2).double()}
    found = []
    for mode in ("taylor", "reverse"):
        torch.manual_seed(0)
        module = Poisson2D(variant=GPINN(), derivatives=mode).double()  # type: ignore[arg-type]
        loss = module.losses(points)["pde_gradient"]
        last_bias = list(module.parameters())[-1]
        grads = torch.autograd.grad(loss, [p for p in module.parameters() if p is not last_bias])
        found.append([loss.detach(), *grads])
    for taylor, reverse in zip(*found, strict=True):
        torch.testing.assert_close(taylor, reverse)


def test_each_value_of_a_residual_is_differentiated() -> None:
    def residual(x: Tensor) -> Tensor:
        return torch.stack([x[:, 0] ** 2, x[:, 0] * x[:, 1]], dim=1)

    found = rows(GPINN(weight=0.5), residual, AT)
    torch.testing.assert_close(found["pde_gradient"], torch.tensor([[0.8, 0.0, 0.2, 0.4]]).double())


def test_a_residual_that_forgets_the_points_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"residual must depend on the points.*do not detach"):
        rows(GPINN(), lambda x: x.detach()[:, 0] * torch.ones(1, requires_grad=True).double(), AT)


def test_a_name_that_is_taken_is_an_error() -> None:
    with pytest.raises(ValueError, match="must have no term 'pde_gradient' with GPINN"):
        GPINN().prepare(problem(UNIT, pde_gradient="interior"))


def test_bad_weight() -> None:
    with pytest.raises(ValueError, match="`weight` must be >= 0, got -1"):
        GPINN(weight=-1)


def test_the_cards_numbers_are_those_of_the_formula() -> None:
    assert 3 * 0.7 * sin(0.8) * exp(-0.2) == pytest.approx(1.2333751343)
