"""Area and extent of what curves enclose."""

from collections.abc import Iterable

import numpy as np
import torch
from scipy.integrate import cubature
from torch import Tensor

from lightning_autobalance.points.boundary_pieces import Piece
from lightning_autobalance.points.face import Face
from lightning_autobalance.points.polyline import Polyline
from lightning_autobalance.points.rounding import Array, Bounds

SAMPLES = 257  # of a curve, and again between the neighbours of its extreme
ROUNDS = 4
SUBDIVISIONS = 400  # of an integral; one where rounding hides the tolerance stops there


def enclosed(boundary: Iterable[Piece], center: tuple[float, ...]) -> float:
    r"""Length or area of a domain from its boundary, by the theorem of Gauss and Green.

    .. math:: |D| = \frac1d \oint (x - c) \cdot n \, ds

    Args:
        boundary: Points (1-D) or curves (2-D).
        center: Any point; one near the domain loses least by rounding.
    """
    c = torch.tensor(center, dtype=torch.float64)
    return sum(_flux(piece, c) for piece in boundary) / len(center)


def _flux(piece: Piece, center: Tensor) -> float:
    if isinstance(piece.face.place, Polyline):
        return _flux_of_edges(piece.face.place, piece, center)

    def outward(t: Array) -> Array:
        points = piece.face.points(torch.from_numpy(t))
        found: Array = ((points - center) * piece.side.normal(points)).sum(dim=1).numpy()
        return found

    if piece.face.dim == 0:
        return float(outward(np.zeros((1, 0)))[0])
    scale = float(np.abs(outward(np.linspace(0, 1, SAMPLES)[:, None])).max())
    found = cubature(outward, [0.0], [1.0], rtol=1e-12, atol=1e-13 * scale, max_subdivisions=SUBDIVISIONS)
    return piece.face.measure * float(found.estimate)


def _flux_of_edges(line: Polyline, piece: Piece, center: Tensor) -> float:
    corners = line.corners - center
    edges = corners.diff(dim=0)
    right = torch.stack([edges[:, 1], -edges[:, 0]], dim=1)
    longest = int(edges.norm(dim=1).argmax())
    middle = (line.corners[longest] + line.corners[longest + 1])[None] / 2
    sign = torch.sign((piece.side.normal(middle)[0] * right[longest]).sum())
    return float(sign * (corners[:-1] * right).sum())


def extent(faces: Iterable[Face]) -> Bounds:
    """The bounding box of points and curves.

    Args:
        faces: Of dimension 0 or 1.
    """
    found = torch.cat([_extremes(face) for face in faces])
    low, high = found.min(dim=0).values.tolist(), found.max(dim=0).values.tolist()
    return tuple(zip(low, high, strict=True))


def _extremes(face: Face) -> Tensor:
    if face.dim == 0:
        return face.points(torch.zeros(1, 0, dtype=torch.float64))
    if isinstance(face.place, Polyline):
        return face.place.corners
    return torch.cat([_extreme(face, axis, sign) for axis in range(2) for sign in (-1.0, 1.0)])


def _extreme(face: Face, axis: int, sign: float) -> Tensor:
    """The point of a curve that is furthest along an axis, (1, 2)."""
    low, high = 0.0, 1.0
    for _ in range(ROUNDS):
        t = torch.linspace(low, high, SAMPLES, dtype=torch.float64)
        points = face.points(t[:, None])
        best = int((sign * points[:, axis]).argmax())
        low, high = float(t[max(best - 1, 0)]), float(t[min(best + 1, SAMPLES - 1)])
    return points[best : best + 1]
