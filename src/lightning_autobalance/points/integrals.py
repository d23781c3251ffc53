"""Area and extent of what curves enclose."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from lightning_autobalance.points.face import Face
from lightning_autobalance.points.polyline import Polyline
from lightning_autobalance.points.rounding import Bounds

Normal = Callable[[Tensor], Tensor]
SAMPLES = 257


def enclosed(boundary: Iterable[tuple[Face, Normal]], center: tuple[float, ...]) -> float:
    r"""Length or area of a domain from its boundary, by the theorem of Gauss and Green.

    .. math:: |D| = \frac1d \oint (x - c) \cdot n \, ds

    Args:
        boundary: Points (1-D) or curves (2-D), each with its outward unit normals, (n, d) to (n, d).
        center: Any point; one near the domain loses least by rounding.
    """
    c = torch.tensor(center, dtype=torch.float64)
    return sum(_flux(face, normal, c) for face, normal in boundary) / len(center)


def _flux(face: Face, normal: Normal, center: Tensor) -> float:
    if face.dim == 0:
        point = face.points(torch.zeros(1, 0, dtype=torch.float64))
        return float(((point - center) * normal(point)).sum())
    if isinstance(face.place, Polyline):
        return _flux_of_edges(face.place, normal, center)

    def along(t: Tensor) -> Tensor:
        points = face.points(t.reshape(-1, 1))
        return ((points - center) * normal(points)).sum(dim=1).reshape(t.shape)

    return face.measure * _integral(along)


def _flux_of_edges(place: Polyline, normal: Normal, center: Tensor) -> float:
    corners = place.corners - center
    edges = corners.diff(dim=0)
    longest = int(edges.norm(dim=1).argmax())
    right = torch.stack([edges[:, 1], -edges[:, 0]], dim=1)
    outward = normal((place.corners[longest] + place.corners[longest + 1])[None] / 2)[0] @ right[longest]
    return float(torch.sign(outward) * (corners[:-1] * right).sum())


def _integral(values: Callable[[Tensor], Tensor]) -> float:
    """Over [0, 1]: Gauss-Legendre with 16 nodes, in halves until they agree with the whole."""
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(16))

    def over(low: Tensor, width: Tensor) -> Tensor:
        return width / 2 * (values(low[:, None] + width[:, None] * (nodes + 1) / 2) @ weights)

    low, total = torch.arange(16, dtype=torch.float64) / 16, 0.0
    width = torch.full_like(low, 1 / 16)
    whole = over(low, width)
    for _ in range(40):
        low, width = torch.cat([low, low + width / 2]), torch.cat([width, width]) / 2
        halves = over(low, width)
        both = sum(halves.chunk(2), torch.zeros(()))
        open_ = (both - whole).abs() > 1e-13 * (both.abs() + float(whole.abs().max()) * 1e-3)
        total += float(both[~open_].sum())
        if not open_.any():
            break
        again = open_.repeat(2)
        low, width, whole = low[again], width[again], halves[again]
    return total + float(whole.sum()) * bool(open_.any())


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
    t = torch.linspace(0, 1, SAMPLES, dtype=torch.float64)
    points = face.points(t[:, None])
    found = [points[:1], points[-1:]]
    for axis in range(points.shape[1]):
        for sign in (-1.0, 1.0):
            best = int((sign * points[:, axis]).argmax())
            low, high = t[max(best - 1, 0)], t[min(best + 1, SAMPLES - 1)]
            for _ in range(60):  # thirds: there is one extreme between neighbours
                thirds = torch.stack([(2 * low + high) / 3, (low + 2 * high) / 3])
                left, right = (sign * face.points(thirds[:, None])[:, axis]).tolist()
                low, high = (thirds[0], high) if left < right else (low, thirds[1])
            found += [points[best : best + 1], face.points(((low + high) / 2).reshape(1, 1))]
    return torch.cat(found)
