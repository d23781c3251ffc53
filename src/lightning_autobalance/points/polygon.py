"""The polygon."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.points.face import Face
from lightning_autobalance.points.planar import rings, shapely_or_remedy, with_all_holes
from lightning_autobalance.points.polyline import Polyline
from lightning_autobalance.points.rejection import in_bounds
from lightning_autobalance.points.rounding import Array, Bounds, slack
from lightning_autobalance.points.shape import Shape
from lightning_autobalance.points.writing import written
from lightning_autobalance.shapes import Points, PointValues

MOST_EDGES = 64  # that are parts

Corners = Sequence[tuple[float, float]]


class Polygon(Shape):
    """A polygon with parts "interior", "boundary", and "edge_0", "edge_1", ...: from each corner to the next.

    The edges are those of the outer boundary, as long as they are at most 64. With holes there are "outer" and "hole",
    all of them, and each by itself where there are several, "hole_1", "hole_2", ... in the order of their centroids by
    x, then y. Points of the interior are found by rejection from the bounding box, with any sampler; those of the
    boundary are placed evenly by length.

    Args:
        corners: (x, y) of each, in either direction around.
        holes: Corners of each hole.

    Raises:
        ValueError: If there are fewer than three corners, two neighbours are equal, a number is not finite, edges meet
            elsewhere than in corners, the area is zero, or holes overlap or are not inside.
        ModuleNotFoundError: If shapely is not installed.
    """

    def __init__(self, corners: Corners, holes: Sequence[Corners] = ()) -> None:
        shapely = shapely_or_remedy()
        outer = _checked("corners", corners)
        self._polygon = shapely.Polygon(outer, [_checked("holes", hole) for hole in holes])
        if not shapely.is_valid(self._polygon) or not self._polygon.area > 0:
            reason = shapely.is_valid_reason(self._polygon) if self._polygon.area > 0 else "zero area"
            raise ValueError(
                f"`corners` and `holes` must give a polygon whose edges meet in corners only, with separate holes "
                f"inside, got {reason} for {self!r}."
            )
        lines = {name: np.array(ring.coords) for name, ring in rings(self._polygon).items()}
        self._start = torch.from_numpy(np.concatenate([line[:-1] for line in lines.values()]))
        self._end = torch.from_numpy(np.concatenate([line[1:] for line in lines.values()]))
        self._outward = self._normals()
        self._numbers = self._edges_by_part({name: len(line) - 1 for name, line in lines.items()})
        self._faces = self._made_faces([Polyline(torch.from_numpy(line)) for line in lines.values()])

    def _normals(self) -> Tensor:
        """Of each edge, (n, 2): on its right, turned outward by the direction of its closed line and that of holes."""
        edges = torch.nn.functional.normalize(self._end - self._start, dim=1)
        right = torch.stack([edges[:, 1], -edges[:, 0]], dim=1)
        signs = [
            (1.0 if ring.is_ccw else -1.0) * (-1.0 if i else 1.0)
            for i, ring in enumerate(rings(self._polygon).values())
            for _ in ring.coords[1:]
        ]
        return right * torch.tensor(signs, dtype=torch.float64)[:, None]

    @staticmethod
    def _edges_by_part(counts: dict[str, int]) -> dict[str, list[int]]:
        ends = np.cumsum([0, *counts.values()]).tolist()
        by_ring = {name: list(range(ends[i], ends[i + 1])) for i, name in enumerate(counts)}
        single = counts["outer"] if counts["outer"] <= MOST_EDGES else 0
        return {**{f"edge_{i}": [i] for i in range(single)}, **with_all_holes(by_ring)}

    def _made_faces(self, lines: list[Polyline]) -> dict[str, tuple[Face, ...]]:
        outline = self._polygon
        by_ring = [_face(line) for line in lines]
        edges = [n[0] for part, n in self._numbers.items() if part.startswith("edge_")]
        named = with_all_holes({name: [face] for name, face in zip(rings(outline), by_ring, strict=True)})
        return {
            "interior": (in_bounds(self.bounds, self.contains, outline.area),),
            "boundary": tuple(by_ring),
            **{f"edge_{i}": (_face(Polyline(torch.stack([self._start[i], self._end[i]]))),) for i in edges},
            **{name: tuple(faces) for name, faces in named.items()},
        }

    @property
    def bounds(self) -> Bounds:
        """The bounding box."""
        left, bottom, right, top = self._polygon.bounds
        return (left, right), (bottom, top)

    def faces_by_part(self) -> dict[str, tuple[Face, ...]]:
        """The interior, each closed line of the boundary, and the edges."""
        return self._faces

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie in the polygon or on its edges.

        Args:
            points: (n, 2).
        """
        shapely = shapely_or_remedy()
        shapely.prepare(self._polygon)  # copies are not
        found: NDArray[np.bool_] = shapely.intersects_xy(self._polygon, points)
        near = shapely.points(points[~found])
        found[~found] = shapely.dwithin(self._polygon, near, slack(self.bounds))
        return found

    def distance(self, x: Points) -> PointValues:
        """Distance to the nearest edge, negative inside.

        Args:
            x: (b, 2).
        """
        start, end = self._start.to(x), self._end.to(x)
        rise = end[:, 1] - start[:, 1]
        level = rise == 0
        height = x[:, 1:] - start[:, 1]
        beyond = start[:, 0] + height * (end - start)[:, 0] / torch.where(level, 1.0, rise)
        passed = ((start[:, 1] > x[:, 1:]) != (end[:, 1] > x[:, 1:])) & (x[:, :1] < beyond)  # by a ray to the right
        inside = passed.sum(dim=1) % 2 == 1
        nearest = self._away(x).min(dim=1).values
        return torch.where(inside, -nearest, nearest)

    def _away(self, x: Tensor) -> Tensor:
        """Distance to each edge, (b, edges)."""
        start, along = self._start.to(x), (self._end - self._start).to(x)
        across = x[:, None] - start
        share = ((across * along).sum(dim=2) / along.square().sum(dim=1)).clamp(0.0, 1.0)
        found: Tensor = (across - share[:, :, None] * along).norm(dim=2)
        return found

    def normal(self, x: Points, part: str = "boundary") -> Points:
        """Outward unit normals of the nearest edge.

        Args:
            x: On the boundary, (b, 2).
            part: Part of the boundary that the points are on, of whose edges the nearest counts.
        """
        numbers = self._numbers.get(self._own_name(part))
        away, outward = self._away(x), self._outward.to(x)
        if numbers is not None:
            away, outward = away[:, numbers], outward[numbers]
        return outward[away.argmin(dim=1)]

    def outline(self) -> Any:
        """The polygon of shapely itself."""
        return self._polygon

    def _written(self) -> str:
        lines = [list(ring.coords)[:-1] for ring in (self._polygon.exterior, *self._polygon.interiors)]
        text = ["[" + ", ".join(written(*c) for c in line[:8]) + ", ..." * (len(line) > 8) + "]" for line in lines]
        holes = f", holes=[{', '.join(text[1:4])}{', ...' * (len(text) > 4)}]" if len(text) > 1 else ""
        return f"Polygon({text[0]}{holes})"


def _face(line: Polyline) -> Face:
    length = float(line.corners.diff(dim=0).norm(dim=1).sum())
    return Face(1, line, measure=length, weight=length)


def _checked(name: str, corners: Any) -> Array:
    try:
        found = np.array([[float(x), float(y)] for x, y in corners])
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be pairs of numbers (x, y), got {corners!r}.") from None
    if not np.isfinite(found).all():
        raise ValueError(f"`{name}` must be finite numbers, got {corners!r}.")
    if len(found) > 1 and (found[0] == found[-1]).all():
        found = found[:-1]  # closed already
    if len(found) < 3:
        raise ValueError(f"`{name}` must be at least 3 different corners, got {len(found)}.")
    repeated = (found == np.roll(found, -1, axis=0)).all(axis=1)
    if repeated.any():
        raise ValueError(f"`{name}` must differ from one to the next, got {written(*found[repeated][0])} twice.")
    return found
