"""Errors of a contender's fields: against the protocol's formula or file, and against our own reference."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.race.rows import File, Row

Predict = Callable[[Tensor], Tensor]
"""Points (n, d) to all fields (n, k)."""
GRID = 20_000  # points of our own reference, where it is a formula


class Known(NamedTuple):
    """A solution at points.

    Args:
        x: Points (n, d), float64.
        values: Fields there (n, c), float64.
        columns: Which fields these are.
    """

    x: Tensor
    values: Tensor
    columns: list[int]

    def error(self, predict: Predict) -> float | None:
        """Relative L2 error, over all fields jointly; None where it is no number."""
        found = predict(self.x)[:, self.columns].double()
        error = float((found - self.values).norm() / self.values.norm())
        return float(f"{error:.5g}") if np.isfinite(error) else None


def known(row: Row, module: Any, references: Path | None) -> dict[str, Known]:
    """What a row is scored against, by metric.

    Args:
        row: The row.
        module: Our module of it.
        references: Folder with the files of the benchmark's authors; without it, files are not scored.

    Raises:
        FileNotFoundError: If the folder lacks the row's file.
    """
    found = {}
    if row.grid is not None:
        found["grid"] = _exact(module, torch.as_tensor(row.grid()))
    if row.file is not None and references is not None:
        d, k = len(module.domain.coordinates), len(module.fields)
        x, values = read(references / row.file.name, row.file, d)
        found["file"] = Known(torch.as_tensor(x), torch.as_tensor(values), list(range(k)))
    if module.reference is not None:
        columns = [module.fields.index(name) for name in module.reference.fields]
        x, values = module.reference.table
        found["own"] = Known(torch.as_tensor(x), torch.as_tensor(values), columns)
    elif module.has_exact:
        found["own"] = _exact(module, module.grid(GRID).double())
    return found


def _exact(module: Any, x: Tensor) -> Known:
    with torch.no_grad():
        values = module.exact(x).double()
    return Known(x, values, list(range(values.shape[1])))


def errors(against: Mapping[str, Known], predict: Predict) -> dict[str, float | None]:
    """The error by metric.

    Args:
        against: Of `known`.
        predict: The contender's fields.
    """
    with torch.no_grad():
        return {metric: solution.error(predict) for metric, solution in against.items()}


def read(path: Path, file: File, d: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points (n, d) and fields (n, k) of a file; rows that lack a number are left out.

    Args:
        path: The file: coordinates, then fields, or one field at several times; lines with % are no data.
        file: What it is.
        d: Number of coordinates, time included.

    Raises:
        FileNotFoundError: If it is not there.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`--references` must be a folder with `{path.name}`, got {path.parent}.")
    table = np.loadtxt(path, comments="%", ndmin=2)
    if file.until is not None:
        space, series = table[:, : d - 1], table[:, d - 1 :]
        times = np.linspace(0, file.until, series.shape[1])
        x = np.concatenate([np.repeat(space, len(times), axis=0), np.tile(times, len(space))[:, None]], axis=1)
        table = np.concatenate([x, series.reshape(-1, 1)], axis=1)
    table = table[~np.isnan(table).any(axis=1)]
    return table[:, :d], table[:, d:]
