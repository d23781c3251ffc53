"""Points of a file: all rows in their order, or an error that names the row."""

from pathlib import Path

import numpy as np
import pytest

from lightning_autobalance.points import Disk, Interval, Rectangle, TimeCylinder, read_probes

HEAT = TimeCylinder(Interval(0.0, 1.0), (0.0, 2.0))


def table(folder: Path, text: str) -> Path:
    file = folder / "probes.csv"
    file.write_text(text)
    return file


def test_rows_come_in_order_by_the_names_of_the_coordinates(tmp_path: Path) -> None:
    file = table(tmp_path, "t,name,x\n2,5,0.1\n0,6,0.30000000000000004\n0,6,0.1\n")
    assert read_probes(file, HEAT).tolist() == [[0.1, 2.0], [0.30000000000000004, 0.0], [0.1, 0.0]]


def test_npz_is_read_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "probes.npz", x=[0.1, 0.2], t=[1.0, 2.0])
    assert read_probes(tmp_path / "probes.npz", HEAT).tolist() == [[0.1, 1.0], [0.2, 2.0]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x,time\n0,1\n", r"`data.predict_points` .*none named 't' among \['x', 'time'\]"),
        ("x,t\n0.5,1\n,1\n0,nan\n0,\n", "`data.predict_points` must give every coordinate, got none for 'x' in row 2"),
        ("x,t\n0,one\n", "must be numbers, got 'one' in row 1"),
        ("x,t\n", "at least one row"),
        (
            "x,t\n0,1\n100,1\n50,1\n",
            "2 of 3 rows, the first in row 2; column 'x' goes from 0 to 100, .* Are the units",
        ),
    ],
)
def test_mistakes_are_named(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        read_probes(table(tmp_path, text), HEAT, "data.predict_points")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="`file` must be a file, found none"):
        read_probes(tmp_path / "none.csv", HEAT)


def test_points_outside_are_counted(tmp_path: Path) -> None:
    holed = Rectangle((0, 1), (0, 1)) - Disk((0.5, 0.5), 0.2)
    file = table(tmp_path, "x,y\n0.1,0.1\n0.5,0.5\n0.9,0.5\n2,0.5\n")
    with pytest.warns(UserWarning, match="probes.csv': 2 of 4 rows, the first in row 2, lie outside the domain"):
        assert len(read_probes(file, holed)) == 4
