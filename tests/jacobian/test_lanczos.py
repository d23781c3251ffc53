"""The Lanczos process on matrices with known eigenvalues."""

import pytest
import torch

from lightning_autobalance.jacobian import lanczos


def symmetric(values: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """A matrix with these eigenvalues and random eigenvectors."""
    generator = torch.Generator().manual_seed(seed)
    vectors, _ = torch.linalg.qr(torch.randn(len(values), len(values), generator=generator, dtype=torch.float64))
    return vectors @ values.diag() @ vectors.T


def start(n: int) -> torch.Tensor:
    return torch.randn(n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_two_by_two_by_hand() -> None:
    values, weights, errors = lanczos(torch.tensor([[0.0, 1.0], [1.0, 0.0]]).mv, torch.tensor([3.0, 0.0]), 5)
    assert torch.allclose(values, torch.tensor([-1.0, 1.0]))
    assert torch.allclose(weights, torch.tensor([0.5, 0.5]))
    assert errors.max() < 1e-6


def test_as_many_steps_as_rows_find_all_eigenvalues() -> None:
    values = torch.cat([torch.logspace(-6, 3, 40), -torch.logspace(-3, 1, 20)]).double().sort().values
    found = lanczos(symmetric(values).mv, start(60), 60)
    assert torch.allclose(found.values, values, rtol=0, atol=1e-11 * 1e3)
    assert float(found.weights.sum()) == pytest.approx(1.0)


def test_few_steps_find_the_extremes_and_bound_their_error() -> None:
    values = torch.cat([torch.linspace(-1, 1, 298), torch.tensor([5.0, -3.0])]).double()
    found = lanczos(symmetric(values).mv, start(300), 30)
    assert len(found.values) == 30
    assert found.values[[0, -1]].tolist() == pytest.approx([-3.0, 5.0], abs=1e-9)
    distance = (found.values[:, None] - values).abs().min(dim=1).values
    assert (distance <= found.errors + 1e-12).all()


def test_a_multiple_eigenvalue_appears_once_and_ends_the_process() -> None:
    values = torch.tensor([0.0] * 30 + [2.0, 7.0], dtype=torch.float64)
    found = lanczos(symmetric(values).mv, start(32), 32)
    assert torch.allclose(found.values, torch.tensor([0.0, 2.0, 7.0], dtype=torch.float64), atol=1e-12)


def test_weights_integrate_powers_of_the_matrix() -> None:
    matrix, v = symmetric(torch.linspace(-2, 3, 50).double()), start(50)
    found = lanczos(matrix.mv, v, 6)
    for power in range(12):  # exact up to degree 2 k - 1
        exact = v @ torch.linalg.matrix_power(matrix, power) @ v / v.square().sum()
        assert float((found.weights * found.values**power).sum()) == pytest.approx(float(exact), rel=1e-10)


def test_zero_operator() -> None:
    assert lanczos(torch.zeros_like, start(4), 3).values.tolist() == [0.0]


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="`steps` must be >= 1, got 0"):
        lanczos(torch.zeros_like, start(4), 0)
    with pytest.raises(ValueError, match="`start` must be finite and not zero, got norm 0"):
        lanczos(torch.zeros_like, torch.zeros(3), 2)
