"""The readable forms of the algorithms, against numbers worked out by hand and against torch's AdamW."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from helpers.optimizers import STEPS, parameter, random_jacs
from lightning_autobalance.optim.reference import SoapState, auto_adamw_reference_, auto_soap_reference_


def run(w: Tensor, jacs: list[Tensor], **options: Any) -> list[list[float]]:
    exp_avg, exp_avg_sq = torch.zeros(2, *jacs[0].shape, dtype=torch.float64)
    points = []
    for step, jac in enumerate(jacs, start=1):
        auto_adamw_reference_(w, jac, exp_avg, exp_avg_sq, step=step, **options)
        points.append(w.tolist())
    return points


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"weight_decay": 0.01},
            [[0.799000001, -0.9990000005], [0.7116860474, -0.998001001], [0.6451326234, -1.0227379495]],
        ),
        (
            {"combine": "mean", "betas": (0.99, 0.99)},
            [[0.9000000005, -1.0000000002], [0.8555073794, -1.0000000005], [0.8200282882, -1.0120969817]],
        ),
        (
            {"combine": [0.5, 0.5], "betas": (0.99, 0.99)},
            [[0.9000000005, -1.0000000002], [0.8555073794, -1.0000000005], [0.8200282882, -1.0120969817]],
        ),
    ],
)
def test_three_steps_by_hand(options: dict[str, Any], expected: list[list[float]]) -> None:
    points = run(parameter(1.0, -1.0).detach(), list(torch.tensor(STEPS).double()), lr=0.1, **options)
    assert_close(points, expected, rtol=0.0, atol=6e-11)


def test_both_places_of_eps_by_hand() -> None:
    """3 / (sqrt(9 + 16) + 1) = 1/2 of the learning rate for each term."""
    jac = torch.tensor([[3.0, 0.0], [-3.0, 3.0]], dtype=torch.float64)
    points = run(parameter(1.0, -1.0).detach(), [jac], lr=0.1, betas=(0.0, 0.0), eps=1.0, eps_root=16.0)
    assert_close(points, [[1.0, -1.05]], rtol=0.0, atol=1e-15)


def test_one_term_is_torchs_adamw() -> None:
    jacs, w = random_jacs(20, 1, 3), parameter(1.0, -1.0, 0.0)
    torchs = torch.optim.AdamW([w], lr=0.1, weight_decay=0.2)
    points = run(w.detach().clone(), jacs, lr=0.1, weight_decay=0.2)
    for jac, point in zip(jacs, points, strict=True):
        w.grad = jac[0]
        torchs.step()
        assert_close(point, w.tolist(), rtol=1e-13, atol=1e-13)


# AutoSOAP -------------------------------------------------------------------------------------------------------------


def test_two_steps_of_auto_soap_by_hand() -> None:
    """In the first step each coordinate is Adam's; in the second, along (1, 1) and across it, each direction is."""
    w = torch.zeros(2, 1, dtype=torch.float64)
    first, second = (torch.tensor([[[a], [b]]], dtype=torch.float64) for a, b in ((3.0, 3.0), (4.0, 2.0)))
    state = SoapState.zero(first)
    options: dict[str, Any] = {"lr": 0.1, "betas": (0.0, 0.0), "eps": 1e-12}
    auto_soap_reference_(w, first, state, first.flatten(1).norm(dim=1), step=1, **options)
    assert_close(w, torch.tensor([[-0.1], [-0.1]], dtype=torch.float64), rtol=0.0, atol=1e-12)
    assert_close(state.left, torch.full((2, 2), 0.5, dtype=torch.float64))
    w.zero_()
    auto_soap_reference_(w, second, state, second.flatten(1).norm(dim=1), step=2, **options)
    # (4, 2) = 3 (1, 1) + (1, -1): a step of 0.1 along each of the two unit vectors
    assert_close(w, torch.tensor([[-0.1 * 2**0.5], [0.0]], dtype=torch.float64), rtol=0.0, atol=1e-12)


def test_auto_soap_without_steps_in_a_basis_is_auto_adamw() -> None:
    jac = random_jacs(1, 3, 4, 2)[0]
    soap, adam = torch.ones(2, 4, 2, dtype=torch.float64)
    options: dict[str, Any] = {"lr": 0.1, "betas": (0.9, 0.95), "weight_decay": 0.2}
    auto_soap_reference_(soap, jac, SoapState.zero(jac), jac.flatten(1).norm(dim=1), step=1, **options)
    auto_adamw_reference_(adam, jac, torch.zeros_like(jac), torch.zeros_like(jac), step=1, **options)
    assert_close(soap, adam)
