"""What is odd about rows is counted, and what is wrong refused."""

import numpy as np
import pytest

from lightning_autobalance.points import Disk, Rectangle
from lightning_autobalance.points.measured_rows import complete_rows, contradictions, outside

SQUARE = Rectangle((0, 1), (0, 2))


def points(x: list[float], y: float = 1.0) -> np.ndarray:
    return np.array([[each, y] for each in x])


def note(x: np.ndarray, domain: Rectangle | Disk = SQUARE) -> str:
    return outside(x, np.arange(1, len(x) + 1), domain, ("x_mm", "y"))


def test_rows_without_a_number_are_counted() -> None:
    columns = {"x": np.array([0.0, 1.0, 2.0]), "u": np.array([0.0, np.nan, np.nan])}
    kept, found = complete_rows(columns)
    assert kept.tolist() == [True, False, False]
    assert found.startswith("2 of 3 rows without a number")
    assert "row 2, where 'u' is missing" in found
    assert complete_rows({"x": np.zeros(2)})[1] == ""


def test_no_row_is_left() -> None:
    with pytest.raises(ValueError, match="must have a row without missing values, got 2 rows with some"):
        complete_rows({"x": np.array([np.nan, np.nan])})


def test_points_inside_and_rounded_by_a_file() -> None:
    assert note(points([0.0, 0.5, 1.000004])) == ""


def test_a_few_outside_are_counted_with_their_column() -> None:
    found = note(points([0.5, 0.4, 0.3, 7.0]))
    assert found.startswith("1 of 4 rows, the first in row 4, lie outside the domain")
    assert "column 'x_mm' goes from 0.3 to 7, the domain's x from 0 to 1" in found
    assert "'y'" not in found


def test_most_outside_are_wrong_units() -> None:
    with pytest.raises(ValueError, match=r"3 of 4 rows, the first in row 1; column 'x_mm' goes .*units"):
        note(points([500.0, 400.0, 0.3, 700.0]))


def test_outside_within_the_bounding_box() -> None:
    x = np.array([[0.0, 0.0], [0.1, 0.0], [0.99, 0.99]])
    assert "they are in the bounding box" in note(x, Disk((0, 0), 1))


def test_contradictions_are_counted_beyond_the_noise() -> None:
    x = np.array([[1.0, 2.0], [0.0, 0.0], [1.0, 2.0], [1.0, 3.0]])
    u = np.array([[0.0], [5.0], [0.1], [9.0]])
    rows = np.array([1, 2, 4, 5])
    found = contradictions(x, u, rows, None)
    assert found.startswith("1 of 4 rows repeat the point")
    assert "rows 1 and 4" in found
    assert contradictions(x, u, rows, 0.02) == ""
    assert contradictions(x, u, rows, 0.01) != ""
    assert contradictions(x, np.zeros((4, 1)), rows, None) == ""
