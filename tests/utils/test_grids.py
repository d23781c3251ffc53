"""Values on a grid become rows."""

import numpy as np
import pytest

from lightning_autobalance.utils.grids import flat_columns

X, T = np.array([0.0, 1.0, 2.0]), np.array([0.0, 10.0])
U = X[:, None] + T


@pytest.mark.parametrize("u", [U, U.T, U[:, None, :]])
def test_each_value_meets_its_axes_whatever_the_order_of_dimensions(u: np.ndarray) -> None:
    found = flat_columns({"x": X[:, None], "t": T[None], "u": u}, ["x", "t"])
    assert list(found) == ["x", "t", "u"]
    assert {len(column) for column in found.values()} == {6}
    np.testing.assert_array_equal(found["u"], found["x"] + found["t"])
    assert len(np.unique(found["u"])) == 6


def test_three_axes_and_one_of_a_single_value() -> None:
    u = X[:, None, None] + T[:, None] + np.array([100.0, 200.0, 300.0, 400.0])
    axes = {"x": X, "t": T, "y": np.array([100.0, 200.0, 300.0, 400.0])}
    found = flat_columns({"u": u.transpose(2, 0, 1), **axes}, ["x", "y", "t"])
    np.testing.assert_array_equal(found["u"], found["x"] + found["y"] + found["t"])
    single = flat_columns({"x": X, "t": np.array([[5.0]]), "u": X[:, None] + 5}, ["x", "t"])
    np.testing.assert_array_equal(single["u"], single["x"] + single["t"])
    assert len(single["t"]) == 3


def test_rows_stay_rows_and_meshes_are_flattened_alike() -> None:
    mesh = np.meshgrid(X, T)
    for x, t, u in ((X, X, X[:, None]), (*mesh, sum(mesh)), (X[:1], T[:1], X[:1])):
        found = flat_columns({"x": x, "t": t, "u": u}, ["x", "t"])
        np.testing.assert_array_equal(found["u"], np.ravel(u))
        np.testing.assert_array_equal(found["x"], np.ravel(x))


@pytest.mark.parametrize(
    ("x", "t", "u"),
    [(X, X, np.ones((3, 3))), (X, T, np.ones(6)), (X, np.arange(4), np.ones((6, 2)))],
    ids=["equal lengths", "flat values", "other dimensions"],
)
def test_an_order_that_cannot_be_told_is_refused(x: np.ndarray, t: np.ndarray, u: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"'u' must tell by its shape .*`x, t = numpy.meshgrid\(x, t, indexing='ij'\)"):
        flat_columns({"x": x, "t": t.astype(float), "u": u}, ["x", "t"])


def test_the_remedy_helps() -> None:
    x, t = np.meshgrid(X, X, indexing="ij")
    found = flat_columns({"x": x, "t": t, "u": x + 10 * t}, ["x", "t"])
    np.testing.assert_array_equal(found["u"], found["x"] + 10 * found["t"])


def test_a_transposed_mesh_is_refused() -> None:
    x, t = np.meshgrid(X, T)
    with pytest.raises(ValueError, match="must have the same shape, so that their rows belong together"):
        flat_columns({"x": x, "t": t, "u": U}, ["x", "t"])


def test_other_lengths_are_left_to_the_check_of_columns() -> None:
    assert len(flat_columns({"x": X, "t": T, "u": np.ones(5)}, ["x", "t"])["u"]) == 5
    assert len(flat_columns({"x": X, "t": T, "u": U})["u"]) == 6  # without axes, no grid
