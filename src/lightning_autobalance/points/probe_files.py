"""Points of a user's file at which results are wanted."""

from os import PathLike

import numpy as np

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.rounding import Array
from lightning_autobalance.utils.messages import rank_zero_warn
from lightning_autobalance.utils.tables import read_table


def read_probes(path: str | PathLike[str], domain: Domain, argument: str = "file") -> Array:
    """The rows of a file with a column per coordinate of a domain, all of them and in their order.

    Those outside the domain are counted in a warning.

    Args:
        path: ``.csv``, ``.npz`` or ``.parquet``; further columns are ignored.
        domain: Names the columns.
        argument: What the file is called in errors.

    Returns:
        (n, d), float64.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a column is not there, a number is missing, or all points are outside.
    """
    columns = read_table(path, domain.coordinates, argument)
    for name, column in columns.items():
        missing = np.flatnonzero(np.isnan(column))
        if len(missing):
            raise ValueError(
                f"`{argument}` must give every coordinate, got none for {name!r} in row {missing[0] + 1} of "
                f"{str(path)!r}, and {len(missing)} such in all."
            )
    points = np.stack([columns[name] for name in domain.coordinates], axis=1)
    outside = np.flatnonzero(~domain.contains(points))
    if len(outside):
        first = ", ".join(f"{n} = {x:g}" for n, x in zip(domain.coordinates, points[outside[0]], strict=True))
        limits = ", ".join(
            f"{n} in [{low:g}, {high:g}]" for n, (low, high) in zip(domain.coordinates, domain.bounds, strict=True)
        )
        found = f"{len(outside)} of {len(points)} points of {str(path)!r} outside, the first in row {outside[0] + 1}"
        text = f"`{argument}` must lie in the domain, {limits}, got {found}: {first}."
        if len(outside) == len(points):
            raise ValueError(f"{text} Are the units those of the domain?")
        rank_zero_warn(f"{text} There the network has not been trained.")
    return points
