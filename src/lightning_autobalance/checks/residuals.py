"""Shape, finiteness and graph of residuals on a few points."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lightning_autobalance.field import NeuralField
from lightning_autobalance.points import Domain, Uniform, most_points, sample

POINTS = 64  # per part, minus a little where counts differ


def few_points(domain: Domain, counts: Mapping[str, int] | None) -> dict[str, Tensor]:
    """About 64 points of each part in float64.

    Parts with different counts in training have different counts here, too, so that a residual that mixes them up
    fails by its shape.

    Args:
        domain: The domain to sample.
        counts: Number of training points by part; None for the same number in every part of the domain.
    """
    counts = counts if counts is not None else dict.fromkeys(domain.parts, 0)
    order = {count: index for index, count in enumerate(sorted(set(counts.values()), reverse=True))}
    found = {}
    for part, count in counts.items():
        number = int(min(max(POINTS - 3 * order[count], 1), most_points(domain, part)))
        points = sample(domain, part, number, Uniform(), seed=0, draw=0)
        found[part] = torch.as_tensor(points, dtype=torch.float64)
    return found


def check_residuals(
    field: NeuralField, points: Mapping[str, Tensor], *, finite: bool = True, source: str = "`data.points`"
) -> dict[str, Tensor]:
    """Compute the residuals, and check that they can be trained.

    Args:
        field: The field whose residuals are computed.
        points: By part, each (b, d).
        finite: Whether NaN and infinite values are refused.
        source: Where the points come from, for messages.

    Returns:
        By term, (b,) or (b, k), with their graphs.

    Raises:
        MisconfigurationException: If they are not a mapping, or one has a wrong shape or is not finite.
    """
    name = type(field).__name__
    try:
        with torch.enable_grad():
            residuals = field.residuals(points)
    except KeyError as error:
        if error.args[0] in points:
            raise
        raise MisconfigurationException(
            f"`residuals` of {name} asks for points {error.args[0]!r}, but {source} has only {list(points)}."
        ) from error
    except TypeError as error:
        if "tuple" in str(error):
            error.add_note("`self.partials` gives a tuple: unpack one derivative with a comma, `u_x, = ...`.")
        raise
    if not isinstance(residuals, Mapping) or not residuals:
        found = "an empty one" if isinstance(residuals, Mapping) else f"a {type(residuals).__name__}"
        raise MisconfigurationException(
            f"`residuals` of {name} must return a non-empty mapping from term to residual, got {found}."
        )
    for term, residual in residuals.items():
        _check_shape(name, term, residual)
        if residual.dim() == 2 and _columns_are_points(field, points, term, residual):
            raise MisconfigurationException(
                f"`residuals` of {name} must give each term one row per point, (b,) or (b, k), got shape "
                f"{tuple(residual.shape)} for {term!r}: a (b,) and a (b, 1) were combined to (b, b). Take columns as "
                "`x[:, :1]`, or fields as `u[:, 0]`, throughout."
            )
        if finite:
            _check_finite(name, term, residual)
    return dict(residuals)


def check_depends_on_network(residuals: Mapping[str, Tensor], problem: str) -> None:
    """Check that every residual depends on a parameter.

    Args:
        residuals: By term, each (b,) or (b, k), with their graphs.
        problem: Name of the module's class.

    Raises:
        MisconfigurationException: If a residual has no graph.
    """
    for term, residual in residuals.items():
        if not residual.requires_grad:
            raise MisconfigurationException(
                f"The residual of `{term}` of {problem} must depend on the network, got one that does "
                "not. Ask for the solution through `self(x)` and `self.partials`, and do not detach it."
            )


def _check_shape(name: str, term: str, residual: Any) -> None:
    if not isinstance(residual, Tensor) or residual.dim() not in (1, 2) or residual.numel() == 0:
        found = f"shape {tuple(residual.shape)}" if isinstance(residual, Tensor) else repr(residual)
        raise MisconfigurationException(
            f"`residuals` of {name} must give each term one row per point, (b,) or (b, k), got {found} for {term!r}."
        )
    if residual.is_complex():
        raise MisconfigurationException(
            f"`residuals` of {name} must be real, got {residual.dtype} for {term!r}: the mean square of a complex "
            "number is no loss. Give its real and imaginary part as two columns, `torch.view_as_real(r).flatten(1)`."
        )


def _columns_are_points(field: NeuralField, points: Mapping[str, Tensor], term: str, residual: Tensor) -> bool:
    """Whether the columns of a residual (b, k) are points: k is a number of points, and falls with it."""
    rows, columns = residual.shape
    if columns == 1 or columns not in {len(x) for x in points.values() if x.dim()}:
        return False
    fewer = {part: x[:-1] if x.dim() and len(x) == columns else x for part, x in points.items()}
    try:
        with torch.enable_grad():
            found = field.residuals(fewer)[term]
    except (RuntimeError, IndexError, ValueError):  # of a fixed number of points
        found = residual
    if found.dim() == 2 and found.shape[1] != columns:
        return True
    return rows == columns != len(field.fields)  # with values that the module holds, the columns stay


def _check_finite(name: str, term: str, residual: Tensor) -> None:
    if not torch.isfinite(residual).all():
        raise MisconfigurationException(
            f"`residuals` of {name} must be finite, got {int((~torch.isfinite(residual)).sum())} NaN or infinite "
            f"values among {residual.numel()} for {term!r} before any training. Look for a division by zero, a "
            "logarithm or a root of a negative number."
        )
