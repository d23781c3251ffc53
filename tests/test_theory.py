"""The paper's Theorem 1 on its quadratic, as the example computes and draws it."""

import importlib.util
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
import torch

EXAMPLE = Path(__file__).parents[1] / "examples" / "quadratic_theory.py"


@pytest.fixture(scope="module")
def theory() -> Any:
    spec = importlib.util.spec_from_file_location("quadratic_theory", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_condition_numbers(theory: Any) -> None:
    assert theory.auto_adam().condition_number == pytest.approx(16.2404, abs=5e-5)
    assert theory.adam().condition_number == pytest.approx(4048.96, abs=5e-3)


@pytest.mark.parametrize("name", ["auto_adam", "adam"])
def test_both_converge_linearly_within_the_bound(theory: Any, name: str) -> None:
    method = getattr(theory, name)()
    path = method.path(120)
    errors = method.errors(path)
    ratios = errors[1:] / errors[:-1]
    assert (ratios <= method.bound * (1 + 1e-12)).all()
    assert ratios.max() < 1
    assert path[-1].norm() < path[0].norm()
    assert torch.allclose(ratios, ratios[0], rtol=1e-9)  # in two dimensions the best step size attains the bound


@pytest.mark.parametrize("name", ["auto_adam", "adam"])
def test_the_iterates_are_those_of_the_proof(theory: Any, name: str) -> None:
    method = getattr(theory, name)()
    first = [theory.H1, theory.H2] if name == "auto_adam" else [theory.H1 + theory.H2]
    matrix = sum(h / (h @ theory.START).abs()[:, None] for h in first)  # sum of D_i^-1 H_i
    expected = theory.START
    for w in method.path(5)[1:]:
        expected = expected - method.step_size * matrix @ expected
        assert torch.allclose(w, expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["auto_adam", "adam"])
def test_another_step_size_is_worse(theory: Any, name: str) -> None:
    values = torch.linalg.eigvalsh(getattr(theory, name)().preconditioned)
    best = getattr(theory, name)().step_size

    def slowest(lr: float) -> float:
        return float((1 - lr * values).abs().max())

    assert slowest(best) == pytest.approx(getattr(theory, name)().bound)
    assert min(slowest(0.99 * best), slowest(1.01 * best)) > slowest(best)


def test_the_picture_is_drawn(theory: Any, tmp_path: Path) -> None:
    theory.draw(steps=50).savefig(tmp_path / "theory.png")
    assert matplotlib.image.imread(tmp_path / "theory.png").std() > 0.05
