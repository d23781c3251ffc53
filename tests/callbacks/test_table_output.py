"""Tables read back without a loss."""

from pathlib import Path

import numpy as np

from lightning_autobalance.callbacks.table_output import write_csv, write_npz
from lightning_autobalance.utils.tables import read_table

COLUMNS = {
    "x": np.array([0.1, 1 / 3, 1e-300]),
    "u": np.array([0.1, 1 / 3, 1e30], dtype=np.float32),
    "u_exact": np.array([np.nan, -1.0, 2.5]),
}


def test_npz_has_the_arrays_as_they_are(tmp_path: Path) -> None:
    with np.load(write_npz(tmp_path / "found.npz", COLUMNS)) as found:
        assert list(found) == list(COLUMNS)
        for name, column in COLUMNS.items():
            assert found[name].dtype == column.dtype
            assert np.array_equal(found[name], column, equal_nan=True)


def test_csv_has_all_digits(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "found.csv", COLUMNS)
    assert file.read_text().splitlines()[:2] == ["x,u,u_exact", "0.10000000000000001,0.100000001,nan"]
    found = read_table(file, list(COLUMNS))
    for name, column in COLUMNS.items():
        assert np.array_equal(found[name].astype(column.dtype), column, equal_nan=True)
