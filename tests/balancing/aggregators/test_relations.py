"""What aggregators have in common with each other, and what defines them."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from helpers.jacobians import jacobian
from lightning_autobalance.balancing import DBMTL, IMTLG, MGDA, CAGrad, ConFIG, DualProj, NashMTL, PCGrad, UPGrad

PAIRS = [jacobian(2, seed=seed, ratio=ratio) for seed, ratio in itertools.product(range(5), (1.0, 1e2, 1e5))]
pairs = pytest.mark.parametrize("rows", PAIRS)
SETS = [jacobian(m, seed=seed, ratio=ratio) for m, seed, ratio in itertools.product((2, 3, 5), range(3), (1.0, 1e3))]
sets = pytest.mark.parametrize("rows", SETS)


def cosine(a: Tensor, b: Tensor) -> float:
    return torch.cosine_similarity(a, b, dim=0).item()


@pairs
def test_four_methods_share_a_direction_for_two_terms(rows: Tensor) -> None:
    bisector = (rows / rows.norm(dim=1, keepdim=True)).sum(dim=0)
    for method in (IMTLG(), ConFIG(), NashMTL(), DBMTL(beta=0.0)):
        assert cosine(method(rows), bisector) == pytest.approx(1.0, abs=1e-9), type(method).__name__


@pairs
def test_their_lengths_differ(rows: Tensor) -> None:
    n1, n2 = rows.norm(dim=1).tolist()
    half = ((1 + cosine(rows[0], rows[1])) / 2) ** 0.5
    assert ConFIG()(rows).norm().item() == pytest.approx((n1 + n2) * half)
    assert IMTLG()(rows).norm().item() == pytest.approx(2 * n1 * n2 / (n1 + n2) * half)
    assert NashMTL()(rows).norm().item() == pytest.approx(2**0.5)
    assert DBMTL(beta=0.0)(rows).norm().item() == pytest.approx(2 * max(n1, n2) * half, rel=1e-5)


@pairs
def test_up_grad_is_half_of_pc_grad_for_two_terms(rows: Tensor) -> None:
    assert_close(UPGrad()(rows), PCGrad()(rows) / 2, rtol=1e-9, atol=1e-12)


@sets
def test_conflict_free_methods_conflict_with_no_term(rows: Tensor) -> None:
    unit = rows / rows.norm(dim=1, keepdim=True)
    for method in (UPGrad(), DualProj(), MGDA(), NashMTL(), ConFIG()):
        gradient = method(rows)
        assert (unit @ gradient >= -1e-7 * gradient.norm()).all(), type(method).__name__


@sets
def test_config_and_imtl_g_project_equally(rows: Tensor) -> None:
    unit = rows / rows.norm(dim=1, keepdim=True)
    for method in (ConFIG(), IMTLG()):
        found = unit @ method(rows)
        assert_close(found, found.mean().expand_as(found), rtol=1e-6, atol=1e-12)


@sets
def test_config_is_as_long_as_all_projections(rows: Tensor) -> None:
    gradient = ConFIG()(rows)
    assert gradient.norm().item() == pytest.approx((rows @ gradient).sum().item() / gradient.norm().item())


@sets
def test_mgda_is_the_shortest_of_the_hull(rows: Tensor) -> None:
    method = MGDA()
    shortest = method(rows)
    assert method.weights is not None
    assert (method.weights >= 0).all()
    assert method.weights.sum().item() == pytest.approx(1.0)
    # optimality: no row has a smaller product with it than itself
    assert (rows @ shortest >= shortest.square().sum() * (1 - 1e-6)).all()


@sets
def test_nash_solves_its_equation(rows: Tensor) -> None:
    method = NashMTL()
    gradient = method(rows)
    assert method.weights is not None
    assert_close(rows @ gradient, 1 / method.weights, rtol=1e-6, atol=0.0)


@sets
def test_projections_on_the_cone_are_nearest(rows: Tensor) -> None:
    """The residual of a projection is a non-negative combination of rows, orthogonal to the projection."""
    gradient, mean = DualProj()(rows), rows.mean(dim=0)
    added = gradient - mean
    assert abs((added @ gradient).item()) < 1e-9 * mean.square().sum()


@pytest.mark.parametrize("c", [0.0, 0.2, 0.5])
@sets
def test_ca_grad_serves_the_worst_term_best(rows: Tensor, c: float) -> None:
    """Within the ball around the mean, no other of a thousand directions serves the worst term better."""
    mean, gradient = rows.mean(dim=0), CAGrad(c)(rows)
    radius = c * mean.norm()
    assert (gradient - mean).norm() <= radius * (1 + 1e-6) + 1e-12
    generator = torch.Generator().manual_seed(1)
    mixed = torch.randn(1000, len(rows), generator=generator, dtype=torch.float64) @ rows
    others = mean + radius * mixed / mixed.norm(dim=1, keepdim=True)
    best = (others @ rows.T).min(dim=1).values.max()
    assert (rows @ gradient).min() >= best - 1e-6 * rows.norm() * mean.norm()
