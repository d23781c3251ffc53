"""Which points each row of a residual depends on, found by setting points to NaN."""

from collections.abc import Callable, Mapping
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor

Parts = tuple[str, ...]
NOT_POINTWISE = "not pointwise"
ByPart: TypeAlias = Mapping[str, Tensor]  # points by part of the domain, each (b, d)
PointFunction: TypeAlias = Callable[[ByPart], Mapping[str, Tensor]]  # to residuals by term, each (b,) or (b, k)


def parts_of_rows(residuals: PointFunction, points: ByPart) -> dict[str, list[Parts]]:
    """By term, the parts of the domain whose points each row of its residual follows from.

    Args:
        residuals: Those of the equation.
        points: By part, each (b, d).

    Returns:
        Names of parts, followed by ``NOT_POINTWISE`` where the points decide how many rows there are.
    """
    rows: dict[str, list[Parts]] = {term: [()] * len(residual) for term, residual in residuals(points).items()}
    for part, x in points.items():
        if not x.is_floating_point():  # indices, or other labels of a loader
            continue
        spoilt = residuals({**points, part: torch.full_like(x, torch.nan, requires_grad=x.requires_grad)})
        for term, residual in spoilt.items():
            rows[term] = _with_part(rows[term], part, as_columns(residual).isnan().any(dim=1).tolist())
    return rows


def _with_part(rows: list[Parts], part: str, touched: list[bool]) -> list[Parts]:
    """The rows' parts, and another one whose NaN have touched these rows, or changed their number."""
    before = [tuple(each for each in row if each != NOT_POINTWISE) for row in rows]
    fixed = len(touched) == len(rows) and before == rows
    touched = touched if len(touched) == len(rows) else [True] * len(rows)
    after = [(*row, part) if t else row for row, t in zip(before, touched, strict=True)]
    return after if fixed else [(*row, NOT_POINTWISE) for row in after]


def parts_of_terms(residuals: PointFunction, points: ByPart) -> dict[str, Parts]:
    """By term, the parts that its rows follow from; a part alone only where there is one row per point of it.

    Args:
        residuals: Those of the equation.
        points: Any few, by part, each (b, d); different parts with different numbers where possible.

    Returns:
        Names of parts, followed by ``NOT_POINTWISE`` where rows of one part are not its points'.
    """
    found: dict[str, Parts] = {}
    for term, rows in parts_of_rows(residuals, points).items():
        parts = tuple(dict.fromkeys(part for row in rows for part in row))
        pointwise = len(parts) == 1 and all(row == parts for row in rows) and len(rows) == len(points[parts[0]])
        found[term] = (*parts, NOT_POINTWISE) if len(parts) == 1 and not pointwise else parts
    return found


def as_columns(residual: Tensor) -> Tensor:
    """(b,) or (b, k) to (b, k), also where b is 0."""
    return residual.reshape(len(residual), prod(residual.shape[1:]))


def first_points(points: Mapping[str, Tensor], parts: Parts, count: int) -> dict[str, Tensor]:
    """A few points: ``count`` of some parts, one of every other.

    Args:
        points: By part, each (b, d).
        parts: Which get ``count`` points.
        count: At least 1.
    """
    return {part: x[: count if part in parts else 1] for part, x in points.items()}
