"""The polygon."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.points.edges import Edges
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
        if not shapely.is_valid(self._polygon):
            flat = shapely.convex_hull(self._polygon).area == 0
            reason = "zero area" if flat else shapely.is_valid_reason(self._polygon)
            raise ValueError(
                f"`corners` and `holes` must give a polygon whose edges meet in corners only, with separate holes "
                f"inside, got {reason} for {self!r}."
            )
        self._lines = {name: torch.from_numpy(np.array(r.coords)) for name, r in rings(self._polygon).items()}
        self._edges = Edges.around(list(self._lines.values()))
        self._numbers = self._edges_by_part()

    def _edges_by_part(self) -> dict[str, list[int]]:
        counts = [len(line) - 1 for line in self._lines.values()]
        ends = np.cumsum([0, *counts]).tolist()
        by_ring = {name: list(range(*ends[i : i + 2])) for i, name in enumerate(self._lines)}
        single = by_ring["outer"] if counts[0] <= MOST_EDGES else []
        everything = {"boundary": list(range(ends[-1]))}
        return {**everything, **{f"edge_{i}": [i] for i in single}, **with_all_holes(by_ring)}

    @property
    def bounds(self) -> Bounds:
        """The bounding box."""
        left, bottom, right, top = self._polygon.bounds
        return (left, right), (bottom, top)

    def faces_by_part(self) -> dict[str, tuple[Face, ...]]:
        """The interior, each closed line of the boundary, and the edges."""
        by_ring = {name: (_face(line),) for name, line in self._lines.items()}
        outer = self._lines["outer"]
        edges = {part: n[0] for part, n in self._numbers.items() if part.startswith("edge_")}
        return {
            "interior": (in_bounds(self.bounds, self.contains, self._polygon.area),),
            "boundary": tuple(face for faces in by_ring.values() for face in faces),
            **{part: (_face(outer[i : i + 2]),) for part, i in edges.items()},
            **{name: tuple(faces) for name, faces in with_all_holes(by_ring).items()},
        }

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
        return self._edges.distance(x)

    def normal(self, x: Points, part: str = "boundary") -> Points:
        """Outward unit normals of the nearest edge.

        Args:
            x: On the boundary, (b, 2).
            part: Part of the boundary that the points are on, of whose edges the nearest counts.
        """
        return self._edges.normal(x, self._numbers.get(self._own_name(part), self._numbers["boundary"]))

    def outline(self) -> Any:
        """The polygon of shapely itself."""
        return self._polygon

    def _written(self) -> str:
        lines = [list(ring.coords)[:-1] for ring in (self._polygon.exterior, *self._polygon.interiors)]
        text = ["[" + ", ".join(written(*c) for c in line[:8]) + ", ..." * (len(line) > 8) + "]" for line in lines]
        holes = f", holes=[{', '.join(text[1:4])}{', ...' * (len(text) > 4)}]" if len(text) > 1 else ""
        return f"Polygon({text[0]}{holes})"


def _face(line: Tensor) -> Face:
    length = float(line.diff(dim=0).norm(dim=1).sum())
    return Face(1, Polyline(line), measure=length, weight=length)


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
