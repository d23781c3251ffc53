"""Two quadratic losses on which AutoAdamW rests at points that are no minimum of any weighted sum."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_autobalance import AutoAdamW, backward
from lightning_autobalance.callbacks.surviving_descent import ETA, descent_numbers

EXAMPLE = Path(__file__).parents[1] / "examples" / "stall.py"
START = (0.2, 0.7)


@pytest.fixture(scope="module")
def stall() -> Any:
    spec = importlib.util.spec_from_file_location("stall", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def gradients(stall: Any, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return stall.H1 * w, stall.H2 * (w - 1)


def cosine(stall: Any, w: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(*gradients(stall, w), dim=0))


def test_auto_adamw_does_not_move_though_both_losses_could_fall(stall: Any) -> None:
    end = stall.path(START, per_term=True, steps=300)[-1]
    torch.testing.assert_close(end, torch.tensor(START, dtype=torch.float64), rtol=0.0, atol=1e-6)
    one, other = gradients(stall, end)
    assert (one * other < 0).all()  # opposite signs in both coordinates
    assert cosine(stall, end) == pytest.approx(-0.07, abs=0.01)  # far from opposed as vectors
    step = one / one.norm() + other / other.norm()  # along its negative both fall
    assert one @ step > 0
    assert other @ step > 0


def test_adamw_ends_at_the_minimum_of_the_sum(stall: Any) -> None:
    end = stall.path(START, per_term=False, steps=800)[-1]
    torch.testing.assert_close(end, stall.minimum(0.5), rtol=0.0, atol=1e-3)
    assert float(sum(stall.losses(end).values())) == pytest.approx(0.909, abs=1e-3)
    assert cosine(stall, end) == pytest.approx(-1.0, abs=1e-3)


def test_from_outside_it_stops_soon_after_it_enters_the_square(stall: Any) -> None:
    end = stall.path((-0.3, 0.5), per_term=True, steps=600)[-1]
    assert end[1] == pytest.approx(0.5, abs=1e-3)
    assert 0.0 < end[0] < 0.3  # as far as momentum carries it
    assert cosine(stall, end) > -0.9


def surviving(stall: Any, *, per_term: bool) -> float:
    """Mean surviving descent of the last steps from the start."""
    w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer, found = AutoAdamW([w], lr=1e-2), []
    optimizer.register_update_hook(lambda p, d: found.append(float(descent_numbers(optimizer, p, d)[ETA])))
    for _ in range(50):
        terms = stall.losses(w)
        backward(terms if per_term else {"sum": terms["L1"] + terms["L2"]}, [w])
        optimizer.step()
        optimizer.zero_grad()
    return sum(found[-20:]) / 20


def test_nothing_of_the_descent_survives_where_it_rests_and_all_of_it_along_the_sum(stall: Any) -> None:
    assert abs(surviving(stall, per_term=True)) < 1e-4
    assert surviving(stall, per_term=False) == pytest.approx(1.0)


def test_the_picture(stall: Any) -> None:
    assert len(stall.draw(steps=5).axes) == 2
