"""Normals of shapes that are made of several."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from lightning_autobalance.points.boundary_pieces import Piece, Side
from lightning_autobalance.points.face import some_points

Distance = Callable[[Tensor], Tensor]


def sides_of(pieces: Iterable[Piece]) -> tuple[Side, ...]:
    """The sides that pieces lie on, each once."""
    return tuple(dict.fromkeys(piece.side for piece in pieces))


def nearest_normal(x: Tensor, sides: Sequence[Side], points_out: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """Outward unit normals of the nearest shape.

    Args:
        x: On the boundary, (b, d).
        sides: Of the shapes; the first counts where several are as near.
        points_out: Which normals, (sides, b, d), do point out, (sides, b); all of them by default.
    """
    normals = torch.stack([side.normal(x) for side in sides])
    away = torch.stack([side.shape.distance(x).abs() for side in sides])
    if points_out is not None:
        away = torch.where(points_out(normals), away, torch.inf)
    nearest = away.argmin(dim=0)[None, :, None].expand(1, *x.shape)
    return normals.gather(0, nearest)[0]


def pointing_out(normals: Tensor, x: Tensor, distance: Distance, step: float) -> Tensor:
    """Which normals go from the inside to the outside.

    Args:
        normals: (sides, b, d).
        x: (b, d).
        distance: Of the whole, negative inside, (n, d) to (n,).
        step: How far to go.

    Returns:
        (sides, b).
    """
    before, beyond = (distance((x + s * normals).flatten(0, 1)) for s in (-step, step))
    return (beyond > before).reshape(normals.shape[:2])


def face_each_other(pieces: Sequence[Piece]) -> bool:
    """Whether sides of two shapes lie on the same place and face each other, so that only one of them points out."""
    sides = sides_of(pieces)
    for piece in pieces:
        x = some_points(piece.face)
        if ((nearest_normal(x, sides) * piece.side.normal(x)).sum(dim=1) < 0).any():
            return True
    return False
