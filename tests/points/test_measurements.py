"""Files and arrays become named columns, and mistakes are named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_autobalance.points import Measurements

COORDINATES, FIELDS = ("x", "t"), ("u", "v")


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "wake.csv"
    path.write_text("t,x_mm,u,v\n0.5,1,2,3\n1,4,5,6\n")
    return str(path)


def columns(given: Measurements) -> dict[str, list[float]]:
    return {name: column.tolist() for name, column in given.columns(COORDINATES, FIELDS).items()}


def test_columns_come_in_the_order_of_the_coordinates_whatever_they_are_called(file: str) -> None:
    given = Measurements({"t": "t", "x": "x_mm"}, ["v", "u"], file)
    assert list(columns(given).items()) == [("x_mm", [1, 4]), ("t", [0.5, 1]), ("v", [3, 6]), ("u", [2, 5])]


def test_arrays_by_name_and_whole() -> None:
    x, u = np.array([[1.0, 0.5], [4.0, 1.0]]), np.array([[2, 3], [5, 6]])
    whole = {"inputs x": [1, 4], "inputs t": [0.5, 1], "targets u": [2, 5], "targets v": [3, 6]}
    assert columns(Measurements(x, u)) == whole
    assert columns(Measurements({"t": x[:, 1], "x": x[:, :1]}, {"u": u[:, 0]})) == {
        name: column for name, column in whole.items() if name != "targets v"
    }


def test_one_name_needs_no_list(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("t,u\n0,1\n")
    assert list(Measurements("t", "u", str(tmp_path / "one.csv")).columns(["t"], ["u"])) == ["t", "u"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "`batch` must be >= 1, got 0"),
        ({"noise_std": 0.0}, "`noise_std` must be finite and > 0"),
        ({"targets": []}, "`targets` must have at least one column"),
        ({"file": None}, "`file` must be given where `inputs` are names"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Measurements(**{"inputs": ["x", "t"], "targets": ["u"], "file": "wake.csv", **options})


def test_arrays_beside_a_file() -> None:
    with pytest.raises(ValueError, match="`inputs` must be names of columns where there is a `file`"):
        Measurements(np.zeros((2, 2)), ["u"], "wake.csv")


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (["x", "t"], ["u"], r"must have the columns \['x', 't', 'u'\], found none named 'x' among"),
        (["t"], ["u"], r"must give every coordinate of the domain, \['x', 't'\], got none for 'x'"),
        (["x", "t", "y"], ["u"], r"`inputs` must name coordinates of the domain, \['x', 't'\], got 'y'.*{x: y}"),
        ({"x": "x_mm", "t": "t"}, ["vv"], r"`targets` must name fields, \['u', 'v'\], got 'vv'. Did you mean 'v'"),
        ({"x": "x_mm", "t": "t"}, {"u": "t"}, "must be read with different columns"),
    ],
)
def test_wrong_names(inputs: Any, targets: Any, message: str, file: str) -> None:
    with pytest.raises(ValueError, match=message):
        Measurements(inputs, targets, file).columns(COORDINATES, FIELDS)


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (
            np.zeros((3, 1)),
            np.zeros((3, 2)),
            r"`inputs` must have a column for each of \['x', 't'\], got shape \(3, 1\)",
        ),
        (np.zeros((3, 2)), np.zeros(3), "`targets` must have a column for each .* by name, as a dictionary"),
        (np.zeros((3, 2)), np.zeros((4, 2)), "its columns must have the same length"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "at least one"),
        (np.zeros((3, 2)), np.full((3, 2), np.inf), "its column 'targets u' must be finite.* inf in row 1, and 3 such"),
        (np.zeros((3, 2)), np.full((3, 2), "a"), "its column 'targets u' must be numbers"),
    ],
)
def test_wrong_arrays(inputs: Any, targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Measurements(inputs, targets).columns(COORDINATES, FIELDS)
