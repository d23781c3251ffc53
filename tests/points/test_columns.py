"""Names of columns, and shapes of arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightning_autobalance.points.columns import array_columns, file_columns

X, U = np.array([[0.0, 1.0], [0.5, 2.0], [1.0, 3.0]]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


@pytest.mark.parametrize(
    ("given", "inputs", "targets"),
    [
        ({}, "xt", "uv"),
        ({"inputs": ["t", "x"], "targets": ["v"]}, "xt", "v"),  # each under its own name
        ({"inputs": ["a", "b"], "targets": {"v": "p", "u": "q"}}, "ab", "qp"),
        ({"inputs": {"t": "a", "x": "b"}}, "ba", "uv"),
    ],
)
def test_columns_by_coordinate_and_field(given: dict[str, Any], inputs: str, targets: str) -> None:
    found = file_columns({"file": "some.npz", **given}, ("x", "t"), ("u", "v"), "reference")
    assert list(found.inputs) == ["x", "t"]
    assert "".join(found.inputs.values()) == inputs
    assert "".join(found.targets.values()) == targets
    assert list(found.targets) == [name for name in ("u", "v") if name in found.targets]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target": "u"}, r"must have the path `file` and, where .* got \{'file': 'a.npz', 'target': 'u'\}"),
        ({"file": 3}, "must have the path `file`"),
        ({"inputs": ["x"]}, r"`inputs` of `reference` must name a column for each .* \('x', 't'\), got \['x'\]"),
        ({"inputs": ["a", "b", "c"]}, "`inputs` of `reference` must name a column for each"),
        ({"inputs": {"x": "a"}}, "`inputs` of `reference` must"),
        ({"inputs": "x"}, "`inputs` of `reference` must"),
        ({"targets": ["usol"]}, r"`targets` of .* such as \{u: u_of_file\}, got \['usol'\]"),
        ({"targets": {"w": "u"}}, "`targets` of `reference` must name fields"),
        ({"targets": {"u": 1}}, "`targets` of `reference` must name fields"),
        ({"targets": []}, "`targets` of `reference` must name fields"),
        ({"targets": "u"}, "`targets` of `reference` must name fields"),
    ],
)
def test_what_does_not_fit_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        file_columns({"file": "a.npz", **given}, ("x", "t"), ("u", "v"), "reference")


def test_a_file_is_read_by_its_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X[:, 0], time=X[:, 1], usol=U[:, 0])
    given = {"file": tmp_path / "a.npz", "inputs": ["x", "time"], "targets": {"u": "usol"}}
    found = file_columns(given, ("x", "t"), ("u", "v"), "reference").read()
    assert list(found) == ["x", "t", "u"]
    np.testing.assert_array_equal(found["t"], X[:, 1])


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, list])
def test_arrays(kind: Any) -> None:
    found = array_columns(kind(X), kind(U), ("x", "t"), ("u", "v"), "reference")
    np.testing.assert_array_equal(found["v"], U[:, 1])
    assert list(array_columns(X, {"v": U[:, 1]}, ("x", "t"), ("u", "v"), "reference")) == ["x", "t", "v"]
    assert list(array_columns(X, U[:, 0], ("x", "t"), ("u",), "reference")) == ["x", "t", "u"]


@pytest.mark.parametrize(
    ("x", "u", "message"),
    [
        (X.T, U, r"must have points of shape \(n, 2\), the coordinates \('x', 't'\), got \(2, 3\)"),
        (X, U[:, 0], r"must have values of shape \(n, 2\), the fields \('u', 'v'\), got \(3, 1\)"),
        (X, {"w": U[:, 0]}, "must name fields of"),
        (X, U[:2], "must have columns of numbers, got arrays: its columns must have the same length"),
        (X, np.full((3, 2), np.inf), "must be finite, or nan"),
        (X[:0], U[:0], "at least one row"),
    ],
)
def test_bad_arrays(x: np.ndarray, u: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"`reference` must {message}|{message}"):
        array_columns(x, u, ("x", "t"), ("u", "v"), "reference")
