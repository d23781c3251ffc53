"""Rows of measurements that can be trained on, and notes of what is odd about them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.rounding import Array
from lightning_autobalance.utils.tables import Column

OF_A_FILE = 1e-5  # of the size of the domain: rounding in a file may move a point on the edge that far out
LARGEST = 3e38  # of single precision
LARGEST_NOISE = 6.0  # standard deviations between two values at the same point


def complete_rows(columns: Mapping[str, Column]) -> tuple[NDArray[np.bool_], str]:
    """Which rows have a number in every column, and a note if some have none.

    Args:
        columns: By name, each (n,).

    Raises:
        ValueError: If none has, or a number is beyond single precision.
    """
    for name, column in columns.items():
        if (np.abs(column) > LARGEST).any():
            row = int(np.flatnonzero(np.abs(column) > LARGEST)[0])
            raise ValueError(f"its column {name!r} must be below {LARGEST:g}, got {column[row]:g} in row {row + 1}.")
    missing = {name: np.isnan(column) for name, column in columns.items()}
    kept = ~np.logical_or.reduce(list(missing.values()))
    if not kept.any():
        raise ValueError(f"it must have a row without missing values, got {len(kept)} rows with some.")
    if kept.all():
        return kept, ""
    first = int(np.flatnonzero(~kept)[0])
    name = next(name for name, lacks in missing.items() if lacks[first])
    return kept, (
        f"{_count(int((~kept).sum()), len(kept))} without a number in some column are left out, the first is row "
        f"{first + 1}, where {name!r} is missing"
    )


def outside(x: Array, rows: NDArray[np.int64], domain: Domain, labels: Sequence[str]) -> str:
    """A note if some points lie outside the domain.

    Args:
        x: Points, (n, d).
        rows: Their numbers in the source, from 1, (n,).
        domain: The domain.
        labels: Of the d columns.

    Raises:
        ValueError: If most do: units or columns are wrong.
    """
    low, high = np.array(domain.bounds).T
    out = ~domain.contains(x)
    out[out] = ~domain.contains(x[out] + OF_A_FILE * ((low + high) / 2 - x[out]))
    if not out.any():
        return ""
    ranges = "; ".join(
        f"column {label!r} goes from {column.min():.6g} to {column.max():.6g}, the domain's {c} from {a:g} to {b:g}"
        for label, column, c, (a, b) in zip(labels, x.T, domain.coordinates, domain.bounds, strict=True)
        if _is_beyond(column, a, b)
    )
    found = f"{_count(int(out.sum()), len(out))}, the first in row {rows[out][0]}"
    ranges = ranges or "they are in the bounding box, in a hole or beyond an edge"
    if 2 * out.sum() > len(out):
        raise ValueError(f"its points must lie in the domain, got outside: {found}; {ranges}. Are the units the same?")
    return f"{found}, lie outside the domain: {ranges}"


def contradictions(x: Array, y: Array, rows: NDArray[np.int64], noise_std: float | None) -> str:
    """A note if some points come again with values that differ by more than noise.

    Args:
        x: Points, (n, d).
        y: Values, (n, k).
        rows: Their numbers in the source, from 1, (n,).
        noise_std: Standard deviation of the noise; without, any difference counts.
    """
    order = np.lexsort(x.T)
    same = (x[order[1:]] == x[order[:-1]]).all(axis=1)
    if not same.any():
        return ""
    one, other = order[:-1][same], order[1:][same]
    differ = (np.abs(y[one] - y[other]) > LARGEST_NOISE * (noise_std or 0.0)).any(axis=1)
    if not differ.any():
        return ""
    first = sorted((int(rows[one[differ][0]]), int(rows[other[differ][0]])))
    return (
        f"{_count(int(differ.sum()), len(x))} repeat the point of another one with other values, such as rows "
        f"{first[0]} and {first[1]}"
    )


def _is_beyond(column: Column, low: float, high: float) -> bool:
    slack = OF_A_FILE * (high - low)
    return bool(column.min() < low - slack or column.max() > high + slack)


def _count(some: int, of: int) -> str:
    return f"{some:,} of {of:,} rows"
