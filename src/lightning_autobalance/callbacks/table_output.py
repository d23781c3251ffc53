"""Tables of columns as files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_npz(path: Path, columns: Mapping[str, NDArray[Any]]) -> Path:
    """Write one array per column; `numpy.load` reads them.

    Args:
        path: Of the file.
        columns: (n,) each.

    Returns:
        The path.
    """
    arrays: dict[str, Any] = dict(columns)
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return path


def write_csv(path: Path, columns: Mapping[str, NDArray[Any]]) -> Path:
    """Write a header and one line per point, with all digits of the numbers.

    Args:
        path: Of the file.
        columns: (n,) each.

    Returns:
        The path.
    """
    digits = ["%.17g" if column.dtype == np.float64 else "%.9g" for column in columns.values()]
    rows = np.stack([column.astype(np.float64) for column in columns.values()], axis=1)
    np.savetxt(path, rows, fmt=digits, delimiter=",", header=",".join(columns), comments="")
    return path
