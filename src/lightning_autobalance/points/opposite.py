"""Pairs of points on two opposite sides of a domain."""

import torch
from torch import Tensor

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.shapes import Points

GRID = 4  # along each axis


def opposite(domain: Domain, x: Points, coordinate: str) -> tuple[Tensor, Tensor]:
    """Points moved to both ends of one coordinate.

    Args:
        domain: Reaches from end to end wherever it is.
        x: Points anywhere in it, (b, d).
        coordinate: Name of the coordinate.

    Returns:
        Those at its lower end and those at its upper end, each (b, d).

    Raises:
        ValueError: If there is no such coordinate, or the domain does not reach from end to end.
    """
    if coordinate not in domain.coordinates:
        raise ValueError(f"`coordinate` must be one of {domain.coordinates}, got {coordinate!r}.")
    i = domain.coordinates.index(coordinate)
    if not torch.compiler.is_compiling():  # was called before
        _check_reach(domain, i)
    low, high = domain.bounds[i]
    return _moved(x, i, low), _moved(x, i, high)


def _moved(x: Tensor, i: int, end: float) -> Tensor:
    return torch.cat([x[:, :i], torch.full_like(x[:, :1], end), x[:, i + 1 :]], dim=1)


def _check_reach(domain: Domain, i: int) -> None:
    known: set[int] = vars(domain).setdefault("_reaches", set())
    if i in known:
        return
    few = torch.from_numpy(domain.grid(GRID ** len(domain.bounds)))
    for end in domain.bounds[i]:
        if not domain.contains(_moved(few, i, end).numpy()).all():
            name = domain.coordinates[i]
            raise ValueError(
                f"`coordinate` must be one along which the domain has two whole sides, got {name!r}: not all points "
                f"with {name} = {end:g} belong to it. Write the pairs of points yourself."
            )
    known.add(i)
