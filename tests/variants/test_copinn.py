"""Cognitive PINN: the card's vector."""

import pytest
import torch
from torch import Tensor

from helpers.variants import context, of, problem
from lightning_autobalance.variants import CoPINN

X = torch.tensor([[1.0, 0.0], [2.0, 0.0], [5.0, 0.0]], dtype=torch.float64)
POINTS = {"interior": X, "boundary": X[:1]}


def at(step: int, **options: object) -> CoPINN:
    variant = CoPINN(**options)  # type: ignore[arg-type]
    variant.prepare(problem(steps=100))
    variant.begin(context(step), POINTS)
    return variant


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, (1.0, 0.99975, 0.999)), (50, (0.5, 0.5, 0.5)), (99, (0.01, 0.010245, 0.01098))],
)
def test_the_vector(step: int, expected: tuple[float, ...]) -> None:
    torch.testing.assert_close(at(step).double().weights(of(1.0, 2.0, 5.0)), of(*expected), rtol=1e-6, atol=0)


def rows(variant: CoPINN, residual: Tensor, placed: dict[str, Tensor]) -> Tensor:
    return variant.double().rows(placed, {"pde": residual, "boundary": of(1.0)})["pde"]


def test_the_difficulty_is_the_length_of_the_gradient_of_the_square() -> None:
    variant = at(0, beta=0.5)
    placed = variant.place(POINTS)
    residual = placed["interior"][:, 0] ** 0.5  # its square has the gradient 1 everywhere
    torch.testing.assert_close(rows(variant, residual, placed), X[:, 0] ** 0.5)
    residual = placed["interior"][:, 0]  # gradients 2, 4, 10
    torch.testing.assert_close(rows(variant, residual, placed) ** 2, X[:, 0] ** 2 * of(1.0, 0.875, 0.5))


def test_with_beta_zero_and_at_the_start_it_is_the_plain_pinn() -> None:
    variant = at(0, beta=0.0)
    placed = variant.place(POINTS)
    torch.testing.assert_close(rows(variant, placed["interior"][:, 0], placed), X[:, 0])


def test_weights_are_constants_unless_asked_for() -> None:
    found = []
    for detach in (True, False):
        variant, scale = at(0, beta=0.5, detach=detach), torch.ones((), dtype=torch.float64, requires_grad=True)
        placed = variant.place(POINTS)
        loss = rows(variant, torch.exp(scale * placed["interior"][:, 0]), placed).square().mean()
        found.append(torch.autograd.grad(loss, scale)[0].item())
    assert found[0] != pytest.approx(found[1], rel=1e-7)


def test_its_own_number_of_iterations_and_what_comes_after() -> None:
    variant = CoPINN(iterations=10)
    variant.prepare(problem(steps=None))
    variant.begin(context(20), POINTS)
    assert variant.remaining.item() == 0.0
    with pytest.raises(ValueError, match="`iterations` of CoPINN must be given"):
        CoPINN().prepare(problem(steps=None))


@pytest.mark.parametrize("bad", [{"beta": -1.0}, {"beta": 1.5}, {"iterations": 0}])
def test_bad_numbers(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(bad))}` must be"):
        CoPINN(**bad)  # type: ignore[arg-type]
