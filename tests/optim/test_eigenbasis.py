"""Rotations and their bases, against the plain products of each matrix."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from lightning_autobalance.optim.eigenbasis import (
    State,
    as_matrices,
    average_grams_,
    basis_sizes,
    first_bases_,
    groups_of,
    matrix_shape,
    refresh_bases_,
    rotate,
    rotate_back,
)

K, M, R, C = 3, 2, 4, 3


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_bases(size: int) -> Tensor:
    return torch.linalg.qr(random(K, size, size)).Q


def states(grads: Tensor) -> list[State]:
    """As after one step of `AutoSOAP` with betas (0, 0) in the identity, for each parameter."""
    found = []
    for g in grads:
        left, right = (g @ g.mT).sum(dim=0), (g.mT @ g).sum(dim=0)
        moments = {"exp_avg": g.clone(), "exp_avg_sq": g.square()}
        eyes = {"QL": torch.eye(len(left)).double(), "QR": torch.eye(len(right)).double()}
        found.append({**moments, **eyes, "L": left, "R": right})
    return found


@pytest.mark.parametrize(
    ("shape", "matrix", "sizes"),
    [
        ((), (1, 1), (0, 0)),
        ((5,), (5, 1), (5, 0)),
        ((1, 5), (1, 5), (0, 5)),
        ((5, 6), (5, 6), (5, 6)),
        ((5, 7), (5, 7), (5, 0)),
        ((3, 2, 3), (3, 6), (3, 6)),
        ((0, 3), (0, 3), (0, 3)),
    ],
)
def test_shapes_and_sizes(shape: tuple[int, ...], matrix: tuple[int, int], sizes: tuple[int, int]) -> None:
    assert matrix_shape(shape) == matrix
    assert basis_sizes(shape, 6) == sizes
    jac = torch.zeros(2, *shape)
    assert as_matrices(jac).shape == (2, *matrix)
    assert as_matrices(jac).data_ptr() == jac.data_ptr()


def test_rotation_of_a_stack_is_that_of_each_matrix() -> None:
    grads, left, right = random(K, M, R, C), random_bases(R), random_bases(C)
    found = rotate(grads, left, right)
    for k in range(K):
        for i in range(M):
            assert_close(found[k, i], left[k].T @ grads[k, i] @ right[k])
    assert_close(rotate_back(found, left, right), grads)


def test_an_empty_basis_is_the_identity() -> None:
    grads, left, right = random(K, M, R, C), random_bases(R), random_bases(C)
    none, eyes = torch.zeros(K, 0, 0).double(), (torch.eye(n).double().expand(K, n, n) for n in (R, C))
    eye_left, eye_right = eyes
    for turn in (rotate, rotate_back):
        assert turn(grads, none, none) is grads
        assert_close(turn(grads, left, none), turn(grads, left, eye_right))
        assert_close(turn(grads, none, right), turn(grads, eye_left, right))


def test_averages_are_sums_over_the_terms() -> None:
    grads, kept = random(K, M, R, C), states(random(K, M, R, C, seed=1))
    before = [(state["L"].clone(), state["R"].clone()) for state in kept]
    average_grams_(kept, grads, 0.25)
    for state, g, (left, right) in zip(kept, grads, before, strict=True):
        assert_close(state["L"], 0.75 * left + 0.25 * (g[0] @ g[0].T + g[1] @ g[1].T))
        assert_close(state["R"], 0.75 * right + 0.25 * (g[0].T @ g[0] + g[1].T @ g[1]))


def test_the_first_bases_are_eigenvectors_the_largest_eigenvalue_first() -> None:
    grads = random(K, M, R, C)
    kept = states(grads)
    first_bases_(kept, (0.0, 0.0))
    for state, g in zip(kept, grads, strict=True):
        for name in ("L", "R"):
            eigenvalues = (state[f"Q{name}"].T @ state[name] @ state[f"Q{name}"]).diagonal()
            assert_close(state[name], state[f"Q{name}"] @ eigenvalues.diag() @ state[f"Q{name}"].T)
            assert (eigenvalues.diff() <= 0).all()
        rotated = state["QL"].T @ g @ state["QR"]
        assert_close((state["exp_avg"], state["exp_avg_sq"]), (rotated, rotated.square()))


def test_refreshes_find_the_eigenvectors_and_take_the_moments_along() -> None:
    grads = random(K, M, R, C)
    kept = states(grads)
    for _ in range(500):
        refresh_bases_(kept)
    for state, g in zip(kept, grads, strict=True):
        for name in ("L", "R"):
            diagonal = state[f"Q{name}"].T @ state[name] @ state[f"Q{name}"]
            assert_close(diagonal, diagonal.diagonal().diag(), rtol=0.0, atol=1e-10)
            assert (diagonal.diagonal().diff() <= 0).all()
        assert_close(state["exp_avg"], state["QL"].T @ g @ state["QR"])
        assert_close(state["exp_avg_sq"].flatten().sort().values, g.square().flatten().sort().values)


def test_second_moments_keep_their_places_beside_the_vectors() -> None:
    """Axes in the wrong order of their eigenvalues: the refresh exchanges them, and nothing else."""
    g = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]], dtype=torch.float64)
    (state,) = states(g.unsqueeze(0))
    refresh_bases_([state])
    assert_close(state["QL"].abs(), torch.eye(3).double()[[1, 0, 2]])
    assert_close(state["QR"].abs(), torch.eye(2).double()[[1, 0]])
    assert_close(state["exp_avg"].abs(), g[:, [1, 0, 2]][:, :, [1, 0]])
    assert_close(state["exp_avg_sq"], state["exp_avg"].square())


def test_items_are_grouped_in_their_order() -> None:
    assert groups_of("abcABa", str.lower) == [["a", "A", "a"], ["b", "B"], ["c"]]
