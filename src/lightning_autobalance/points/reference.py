"""A solution that is known at points, from a file or from arrays."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.points.columns import array_columns, file_columns
from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.interpolation import Scattered
from lightning_autobalance.points.outside import outside
from lightning_autobalance.utils.messages import rank_zero_warn
from lightning_autobalance.utils.tables import fingerprint

Array = NDArray[np.float64]


class Reference:
    """What stands in for an exact solution: points in the domain, and the fields there.

    A file is read when it is first needed, so that a trained module loads without it.

    Args:
        given: ``file`` and, where names differ, ``inputs`` and ``targets``; or points and values.
        domain: Of the module.
        fields: Of the module.

    Raises:
        ValueError: If the names or the shapes do not fit.
    """

    def __init__(self, given: Mapping[str, Any] | tuple[Any, Any], domain: Domain, fields: Sequence[str]) -> None:
        self._domain = domain
        if isinstance(given, Mapping):
            self._file = file_columns(given, domain.coordinates, fields, "reference")
            self.source, self.fields = self._file.file, tuple(self._file.targets)
        else:
            self._columns = array_columns(*given, domain.coordinates, fields, "reference")
            self.source, self.fields = "arrays", tuple(name for name in fields if name in self._columns)

    @cached_property
    def table(self) -> tuple[Array, Array]:
        """Points in the domain and the fields there, (n, d) and (n, k); warns of rows that are left out.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If a column is missing, no row is complete, or most points are outside the domain.
        """
        columns = self._columns
        points = np.stack([columns[name] for name in self._domain.coordinates], axis=1)
        values = np.stack([columns[name] for name in self.fields], axis=1)
        rows = np.arange(len(points))
        rows = self._keep(rows, ~np.isnan(np.concatenate([points, values], axis=1)).any(axis=1), "lack a number (nan)")
        within = ~outside(self._domain, points[rows])
        self._check_units(points[rows], within)
        rows = self._keep(rows, within, "are outside the domain")
        self._tell_of_contradictions(points[rows], values[rows])
        return points[rows], values[rows]

    @property
    def points(self) -> Array:
        """The points, (n, d)."""
        return self.table[0]

    @property
    def values(self) -> Array:
        """The fields there, (n, k)."""
        return self.table[1]

    @property
    def is_read(self) -> bool:
        """Whether the table is in memory."""
        return "table" in vars(self)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with any number that is used."""
        names = (*self._domain.coordinates, *self.fields)
        return fingerprint(dict(zip(names, np.concatenate(self.table, axis=1).T, strict=True)))

    def batches(self, fields: Sequence[str], dtype: torch.dtype, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Points and some fields, each at most (size, d) and (size, k).

        Args:
            fields: Which, in this order.
            dtype: Of both.
            size: Largest number of points in a batch.
        """
        columns = [self.fields.index(name) for name in fields]
        x, u = (torch.as_tensor(each, dtype=dtype) for each in (self.points, self.values[:, columns]))
        return zip(torch.split(x, size), torch.split(u, size), strict=True)

    def between(self, field: str, x: Array) -> Array:
        """A field interpolated at points, (n, d) to (n,); NaN where it is not known."""
        if field not in self.fields:
            return np.full(len(x), np.nan)
        return self._interpolation(x)[:, self.fields.index(field)]

    @cached_property
    def _interpolation(self) -> Scattered:
        return Scattered(*self.table)

    @cached_property
    def _columns(self) -> dict[str, Array]:
        return self._file.read()

    def _keep(self, rows: NDArray[np.intp], kept: NDArray[np.bool_], why: str) -> NDArray[np.intp]:
        lost = rows[~kept]
        if len(lost) == len(rows):
            raise ValueError(f"`reference` must have a row to compare with, got {self.source}, all whose rows {why}.")
        if len(lost):
            rank_zero_warn(
                f"`reference`: {len(lost):,} of {len(rows):,} rows of {self.source} are left out, which {why}; the "
                f"first is row {lost[0] + 1}."
            )
        return rows[kept]

    def _check_units(self, points: Array, within: NDArray[np.bool_]) -> None:
        if 2 * within.sum() < len(points):
            box = zip(self._domain.coordinates, self._domain.bounds, points.T, strict=True)
            ranges = ", ".join(f"{c} in [{a:g}, {b:g}], got [{x.min():g}, {x.max():g}]" for c, (a, b), x in box)
            raise ValueError(
                f"`reference` must have its points in the domain, {ranges}: {(~within).sum():,} of {len(points):,} "
                f"points of {self.source} are outside. Check the units and the columns named in `inputs`."
            )

    def _tell_of_contradictions(self, points: Array, values: Array) -> None:
        order = np.lexsort(points.T)
        same = (np.diff(points[order], axis=0) == 0).all(axis=1)
        apart = np.abs(np.diff(values[order], axis=0)) > 1e-6 * np.abs(values).max(axis=0)
        if count := int((same & apart.any(axis=1)).sum()):
            rank_zero_warn(f"`reference`: {count:,} points of {self.source} are repeated with other values.")


def compared_fields(reference: Reference | None, reported: Sequence[str]) -> tuple[str, ...]:
    """Fields whose error is measured: those of ``reported`` that the reference has, if there is one.

    Raises:
        ValueError: If there is none.
    """
    known = reported if reference is None else reference.fields
    if not (found := tuple(name for name in reported if name in known)):
        raise ValueError(f"`reference` must have one of the reported fields {tuple(reported)}, got {known}.")
    return found
