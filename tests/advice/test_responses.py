"""Responses against those worked out by hand."""

from collections.abc import Mapping
from math import pi

import pytest
import torch
from torch import Tensor

from helpers.toys import Decay, Poisson2D
from lightning_autobalance.advice.responses import response_weights, responses
from lightning_autobalance.checks.residuals import few_points
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Rectangle


class Scaled(PINNModule):
    """A linear and a nonlinear term whose answers are known."""

    domain = Rectangle((0, 10), (0, 10))
    fields = ("u", "v")

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u, v = self(points["interior"]).split(1, dim=1)
        return {"ten": 10 * u - 3, "both": torch.cat([u, v], dim=1), "square": v**2, "none": 0 * u, "root": u.sqrt()}


def answers(kind: type[PINNModule], points: int = 400) -> dict[str, float]:
    module = kind(check_exact=False).double()
    return responses(module, few_points(kind.domain, dict.fromkeys(("interior", "boundary"), points)), probes=64)


def test_a_value_answers_by_its_factor_and_a_square_by_its_slope() -> None:
    found = answers(Scaled)
    assert found["ten"] == pytest.approx(100, rel=0.1)
    assert found["both"] == pytest.approx(1, rel=0.1)  # a mean over two columns, of which one changes at a time
    assert found["square"] == pytest.approx(4, rel=0.4)  # (2 v)², where v has a mean square of 1
    assert found["none"] == 0
    assert found["root"] == 0  # a wave is negative somewhere


def test_a_laplacian_answers_by_the_fourth_power_of_the_wave_number() -> None:
    found = answers(Poisson2D)
    # the square of the wave vector is (2π)² times half a chi-square of two: its mean square is 2
    assert found["pde"] / found["boundary"] == pytest.approx(2 * (2 * pi) ** 4, rel=0.4)


def test_nothing_changes_and_the_same_is_found_again() -> None:
    module = Decay().double()
    before = {name: x.clone() for name, x in module.state_dict().items()}
    state = torch.get_rng_state()
    points = few_points(module.domain, None)
    assert responses(module, points) == responses(module, points)
    assert all(torch.equal(before[name], x) for name, x in module.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


def test_weights_make_the_answers_equal() -> None:
    assert response_weights({"pde": 1234.0, "boundary": 1.0, "velocity": 40.0, "none": 0.0}) == {
        "pde": 1.0,
        "boundary": 1200.0,
        "velocity": 31.0,
        "none": 1.0,
    }
