"""Columns from files, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from lightning_autobalance.utils.tables import check_columns, fingerprint, read_table

X, U = np.array([0.0, 0.5, 1.0]), np.array([1.0, np.nan, 3.0])


def csv_of(folder: Path, text: str) -> Path:
    file = folder / "data.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_columns_by_name_from_csv_and_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=X[:, None], u=U, other=np.zeros(7))
    files = [csv_of(tmp_path, "u, other,x\n1,a,0\n,b,0.5\n3,c,1\n"), tmp_path / "data.npz"]
    for file in files:
        found = read_table(file, ["x", "u"])
        assert list(found) == ["x", "u"]
        np.testing.assert_array_equal(found["x"], X)
        np.testing.assert_array_equal(found["u"], U)


def test_columns_of_a_parquet_file(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pandas.DataFrame({"x": X, "u": U, "note": ["a", "b", "c"]}).to_parquet(tmp_path / "data.parquet")
    found = read_table(tmp_path / "data.parquet", ["u", "x"])
    np.testing.assert_array_equal(found["u"], U)
    np.testing.assert_array_equal(found["x"], X)
    with pytest.raises(ValueError, match="column 'note' must be numbers"):
        read_table(tmp_path / "data.parquet", ["note"])


def test_a_plain_csv_with_a_mark_at_its_start_and_nan(tmp_path: Path) -> None:
    found = read_table(csv_of(tmp_path, "\ufeffx,u\n0,1\n0.5,nan\n1,3\n"), ["x", "u"])
    np.testing.assert_array_equal(found["u"], U)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,v\n0,1\n", r"must have the columns \['x', 'u'\], found none named 'u' among \['x', 'v'\]"),
        ("", "found none named 'x'"),
        ("x,u\n", "must have at least one row, got none"),
        ("x,u\n0,1\n0.5,high\n", "column 'u' must be numbers, got 'high' in row 2"),
        ("x,u\n0,1\n0.5\n", "row 2 must have 2 cells, got 1"),
        ("x,u\n0,1\n0.5,inf\n", "column 'u' must be finite.* got inf in row 2, and 1 such in all"),
    ],
)
def test_a_bad_csv_is_named_with_column_and_row(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"`measurements` must have columns of numbers, got '.*data.csv'.*{message}"):
        read_table(csv_of(tmp_path, text), ["x", "u"], "measurements")


def test_a_bad_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=X, u=np.zeros(2), s=np.array(["a", "b", "c"]))
    with pytest.raises(ValueError, match=r"same length, got \{'x': 3, 'u': 2\}"):
        read_table(tmp_path / "data.npz", ["x", "u"])
    with pytest.raises(ValueError, match="column 's' must be numbers, got <U1"):
        read_table(tmp_path / "data.npz", ["s"])
    (tmp_path / "data.npz").write_bytes((tmp_path / "data.npz").read_bytes()[:100])
    with pytest.raises(ValueError, match="must have columns of numbers"):
        read_table(tmp_path / "data.npz", ["x"])
    np.save(tmp_path / "one.npy", X)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(ValueError, match="single array without a name"):
        read_table(tmp_path / "one.npz", ["x"])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"`file` must be a file, found none at .*: relative paths start from"):
        read_table(tmp_path / "none.csv", ["x"])
    (tmp_path / "data.xls").touch()
    with pytest.raises(ValueError, match=r"`file` must be one of .csv, .npz, .mat, .parquet, got"):
        read_table(tmp_path / "data.xls", ["x"])
    with pytest.raises(ValueError, match="different columns"):
        read_table(csv_of(tmp_path, "x\n1\n"), ["x", "x"])


def test_a_grid_by_its_axes_from_npz_and_mat(tmp_path: Path) -> None:
    t = np.array([[0.0, 1.0]])
    arrays = {"x": X[:, None], "t": t, "u": X[:, None] + 10 * t}
    np.savez(tmp_path / "grid.npz", **arrays)
    savemat(tmp_path / "grid.mat", arrays)
    for name in ("grid.npz", "grid.mat"):
        found = read_table(tmp_path / name, ["x", "t", "u"], axes=["x", "t"])
        np.testing.assert_array_equal(found["u"], found["x"] + 10 * found["t"])
        with pytest.raises(ValueError, match="same length"):
            read_table(tmp_path / name, ["x", "t", "u"])


def test_a_bad_mat(tmp_path: Path) -> None:
    savemat(tmp_path / "data.mat", {"x": X, "s": "text"})
    with pytest.raises(ValueError, match="found none named 'u' among"):
        read_table(tmp_path / "data.mat", ["u"])
    with pytest.raises(ValueError, match="column 's' must be numbers"):
        read_table(tmp_path / "data.mat", ["s"])
    (tmp_path / "data.mat").write_bytes(b"no such file, but long enough to have a header" * 4)
    with pytest.raises(ValueError, match=r"`file` must have columns of numbers, got '.*data.mat'"):
        read_table(tmp_path / "data.mat", ["x"])


def test_columns_that_do_not_fit() -> None:
    check_columns({"x": X, "u": U})
    with pytest.raises(ValueError, match="at least one row"):
        check_columns({"x": np.empty(0)})


def test_a_fingerprint_changes_with_any_number_but_not_with_the_order_of_columns() -> None:
    assert fingerprint({"x": X, "u": U}) == fingerprint({"u": U, "x": X})
    assert fingerprint({"x": X, "u": U}) != fingerprint({"x": X, "u": np.array([1.0, np.nan, 3.0 + 1e-15])})
    assert fingerprint({"x": X}) != fingerprint({"u": X})
