"""A solution at points: what is kept, what is left out and told, what is refused."""

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightning_autobalance.points import Interval, Reference, TimeCylinder
from lightning_autobalance.points.reference import compared_fields

DOMAIN = TimeCylinder(Interval(-1, 1), (0, 1))
X = np.stack([axis.ravel() for axis in np.meshgrid(np.linspace(-1, 1, 5), np.linspace(0, 1, 4))], axis=1)
U = np.stack([X[:, 0] + X[:, 1], X[:, 0]], axis=1)


def reference(x: Any = X, u: Any = U) -> Reference:
    return Reference((x, u), DOMAIN, ("u", "v"))


def rows(found: Reference) -> int:
    return len(found.points)


def changed(values: np.ndarray, rows: Any, value: float) -> np.ndarray:
    values = values.copy()
    values[rows] = value
    return values


def test_a_file_is_as_its_arrays_and_is_read_late(tmp_path: Path) -> None:
    given = {"file": str(tmp_path / "late.npz"), "targets": {"v": "second", "u": "first"}}
    found = Reference(given, DOMAIN, ("u", "v"))
    assert not found.is_read
    with pytest.raises(FileNotFoundError, match="`reference` must be a file"):
        rows(found)
    np.savez(tmp_path / "late.npz", x=X[:, 0], t=X[:, 1], first=U[:, 0], second=U[:, 1])
    np.testing.assert_array_equal(found.points, X)
    np.testing.assert_array_equal(found.values, U)
    assert found.is_read
    assert found.fields == ("u", "v")
    assert found.source == given["file"]
    assert found.fingerprint == reference().fingerprint != reference(u=changed(U, (3, 1), 9.0)).fingerprint


@pytest.mark.parametrize(("x", "u"), [(changed(X, (2, 0), np.nan), U), (X, changed(U, (2, 1), np.nan))])
def test_rows_with_nan_are_left_out_and_counted(x: np.ndarray, u: np.ndarray) -> None:
    found = reference(x, u)
    with pytest.warns(
        UserWarning, match=r"1 of 20 rows of arrays are left out, which lack a number .* row 3\.$"
    ) as told:
        np.testing.assert_array_equal(found.points, np.delete(X, 2, axis=0))
    np.testing.assert_array_equal(found.values, np.delete(U, 2, axis=0))
    assert len(told) == 1


def test_points_outside_are_counted_by_their_rows_in_the_file() -> None:
    x = changed(changed(X, (2, 0), np.nan), [5, 6], 3.0)
    with pytest.warns(UserWarning, match="left out") as told:
        assert len(reference(x).points) == 17
    assert "2 of 19 rows of arrays are left out, which are outside the domain; the first is row 6." in str(
        told[1].message
    )


def test_wrong_units_are_refused() -> None:
    for x in (100 * X, X[:, ::-1] * 2):
        with pytest.raises(ValueError, match=r"points in the domain, x in \[-1, 1\], got .* of 20 points .* the units"):
            rows(reference(x))
    with pytest.raises(ValueError, match="must have a row to compare with, got arrays, all whose rows lack a number"):
        rows(reference(u=np.full_like(U, np.nan)))


def test_repeated_points_with_other_values_are_counted() -> None:
    x = np.concatenate([X, X[:3], X[:1]])
    assert len(reference(x, np.concatenate([U, U[:3], U[:1]])).points) == 24
    with pytest.warns(UserWarning, match="2 points of arrays are repeated with other values"):
        rows(reference(x, np.concatenate([U, U[:3] + np.array([[0.0], [1.0], [1.0]]), U[:1]])))


def test_one_row_is_enough() -> None:
    found = reference(X[:1], U[:1])
    assert found.points.shape == (1, 2)
    assert np.isnan(found.between("u", X)).all()


def test_batches_of_some_fields() -> None:
    found = list(reference().batches(["v"], torch.float32, 8))
    assert [x.shape for x, _ in found] == [(8, 2), (8, 2), (4, 2)]
    assert torch.equal(torch.cat([u for _, u in found]), torch.tensor(U[:, 1:], dtype=torch.float32))


def test_between_the_points() -> None:
    x = np.array([[0.1, 0.3], [0.5, 1.0], [0.5, 1.1]])
    np.testing.assert_allclose(reference().between("u", x), [0.4, 1.5, np.nan])
    assert np.isnan(reference(u={"u": U[:, 0]}).between("v", x)).all()


def test_it_travels_with_its_module() -> None:
    found = reference()
    found.between("u", X)
    for twin in (deepcopy(found), pickle.loads(pickle.dumps(found))):
        np.testing.assert_array_equal(twin.between("u", X), found.between("u", X))


def test_fields_that_are_compared() -> None:
    assert compared_fields(None, ("u", "v")) == ("u", "v")
    assert compared_fields(reference(u={"v": U[:, 1]}), ("u", "v")) == ("v",)
    with pytest.raises(ValueError, match=r"must have one of the reported fields \('u',\), got \('v',\)"):
        compared_fields(reference(u={"v": U[:, 1]}), ("u",))
