"""Points of a user's file at which results are wanted."""

from os import PathLike

import numpy as np

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.measured_rows import outside
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
        ValueError: If a column is not there, a number is missing, or most points are outside.
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
    try:
        note = outside(points, np.arange(1, len(points) + 1), domain, domain.coordinates)
    except ValueError as error:
        raise ValueError(f"`{argument}` must fit the domain, got {str(path)!r}: {error}") from error
    if note:
        rank_zero_warn(f"`{argument}` {str(path)!r}: {note}. The network has not been trained there.")
    return points
