"""Shapes: domains in space that can be joined, cut and subtracted."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightning_autobalance.points.boundary_pieces import OnBoundary, Piece, Side, kept
from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.extended import Extended
from lightning_autobalance.points.face import Face, some_points
from lightning_autobalance.points.integrals import enclosed, extent
from lightning_autobalance.points.normals import face_each_other, nearest_normal, pointing_out, sides_of
from lightning_autobalance.points.overlap import box_around, check_overlap, directions, spread
from lightning_autobalance.points.planar import check_lengths, combined, numbers_by_ring, shapely_or_remedy
from lightning_autobalance.points.rejection import in_bounds
from lightning_autobalance.points.rounding import Array, Bounds, slack
from lightning_autobalance.points.writing import names_written
from lightning_autobalance.shapes import Points, PointValues

STEP = 1e-6  # across a boundary, of the size of the smallest shape


class Shape(Domain):
    """A domain in space with `distance`, which can be joined, cut and subtracted: ``a | b``, ``a & b``, ``a - b``."""

    def outline(self) -> Any:
        """The shape as a polygon of shapely, fine enough to tell pieces and holes; None where it has none."""
        return None

    def __or__(self, other: "Shape") -> "Combination":
        return self._combined("|", other)

    def __and__(self, other: "Shape") -> "Combination":
        return self._combined("&", other)

    def __sub__(self, other: "Shape") -> "Combination":
        return self._combined("-", other)

    # Python comes here where the left side is no shape.
    def __ror__(self, other: Any) -> "Combination":
        return self._combined("|", other)

    def __rand__(self, other: Any) -> "Combination":
        return self._combined("&", other)

    def __rsub__(self, other: Any) -> "Combination":
        return self._combined("-", other)

    def _combined(self, operator: str, other: Any) -> "Combination":
        if isinstance(other, Domain) and not isinstance(other, Shape):
            remedy = "A domain of your own needs `distance`, and `Shape` as its base class."
            if isinstance(other, Extended):
                remedy = "Combine shapes in space first; time and parameters come after."
            raise TypeError(f"`{operator}` must have a shape on both sides, got {type(other).__name__}. {remedy}")
        return Combination(operator, self, other) if isinstance(other, Shape) else NotImplemented

    def _leaves(self) -> tuple["Shape", ...]:
        """The shapes that it is made of."""
        return (self,)

    def _pieces(self, part: str) -> tuple[Piece, ...]:
        return tuple(Piece(face, Side(self, part)) for face in self.faces(part))

    def _sides(self) -> tuple[str, ...]:
        """The parts of the boundary that a combination keeps: all but closed lines, which it finds anew."""
        return tuple(part for part in self.parts if self._is_side(part))

    def _is_side(self, part: str) -> bool:
        if part in self._added or self._own_name(part) == "interior":
            return False
        found_anew = part in ("boundary", "outer", "hole") or part.startswith("hole_")
        return part in self.given_names or not found_anew

    def _written(self) -> str:
        return f"{type(self).__name__}(...)"

    def __repr__(self) -> str:
        return self._written() + names_written(self._aliases)


class Combination(Shape):
    """Shapes joined, ``a | b``, cut, ``a & b``, or one subtracted from the other, ``a - b``; written with operators.

    Points of the interior are found by rejection from the bounding box, with any sampler. Those of the boundary lie on
    what is left of the boundaries of the shapes: in two dimensions exact stretches of their curves, without rejection;
    in more, by rejection from their faces. Points are shared among these by length or area.

    The parts are "interior", "boundary", and what is left of the parts of both shapes, such as "left"; those of the
    same name are one. Of a shape that is subtracted only names given by `named` are kept, such as "cylinder" in
    ``Rectangle((0, 2), (0, 1)) - Disk((0.5, 0.5), 0.1).named("cylinder")``. A planar shape with holes has "outer" and
    "hole", all of them, and each by itself where there are several, "hole_1", "hole_2", ... in the order of their
    centroids by x, then y. A part added by `with_part` is kept where it lies in the result, and dropped otherwise.

    `measure` is exact in one and two dimensions, and estimated in more from 16,384 points. In more than two dimensions
    nothing tells whether the result is connected.

    Args:
        operator: "|", "&" or "-".
        a: A shape.
        b: Another one with the same coordinates.

    Raises:
        ValueError: If the coordinates differ, shapes that are cut or subtracted do not overlap, or the result is empty,
            in several pieces, or has a part too thin to tell its two sides.
    """

    def __init__(self, operator: str, a: Shape, b: Shape) -> None:
        self.operator, self.a, self.b = operator, a, b
        if operator not in ("|", "&", "-"):
            raise ValueError(f'`operator` must be "|", "&" or "-", got {operator!r}.')
        if a.coordinates != b.coordinates:
            raise ValueError(
                f"`{operator}` must have shapes with the same coordinates, got {a.coordinates} and {b.coordinates}."
            )
        self._bounds = box_around(operator, a.bounds, b.bounds, repr(self))
        known = [leaf.bounds for leaf in self._leaves()]
        self._edge = max(map(slack, known))
        self._step = max(STEP * min(high - low for bounds in known for low, high in bounds), 10 * self._edge)
        self._outline = self._checked_outline()
        self._boundary = self._left_of("boundary", "boundary")
        self._exact = all(piece.face.dim < 2 and piece.face.rate == 1.0 for piece in self._boundary)
        self._check_boundary()
        if self._exact:
            self._bounds = self._tight_bounds()

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Those of both shapes."""
        return self.a.coordinates

    @property
    def bounds(self) -> Bounds:
        """The bounding box; in more than two dimensions that of ``a`` for a difference, the overlap for a cut."""
        return self._bounds

    def _tight_bounds(self) -> Bounds:
        known = np.array([leaf.bounds for leaf in self._leaves()])  # (leaves, d, 2)

        def snapped(axis: int, value: float) -> float:
            nearest = known[:, axis].flat[np.abs(known[:, axis].ravel() - value).argmin()]
            return float(nearest) if abs(nearest - value) <= self._step * 1e-3 + self._edge else value

        found = extent(piece.face for piece in self._boundary)
        return tuple((snapped(i, low), snapped(i, high)) for i, (low, high) in enumerate(found))

    # What is refused ------------------------------------------------------------------------------------------------

    def _checked_outline(self) -> Any:
        if len(self._bounds) == 2:
            shapely_or_remedy()
            outlines = self.a.outline(), self.b.outline()
            if None not in outlines:
                return combined(self.operator, *outlines, repr(self))
        if self.operator != "|":
            points = spread(box_around("&", self.a.bounds, self.b.bounds, repr(self)))
            check_overlap(self.operator, bool((self.a.contains(points) & self.b.contains(points)).any()), repr(self))
        if not self.contains(spread(self._bounds)).any():
            raise ValueError(f"`{self.operator}` must leave something, got nothing for {self!r}.")
        return None

    def _check_boundary(self) -> None:
        if len(self._bounds) == 1 and len(self._boundary) != 2:
            raise ValueError(
                f"`{self.operator}` must give one interval, got {len(self._boundary)} ends for {self!r}. Take a "
                "problem for each interval."
            )
        if self._outline is not None and self._exact:
            by_ring = {"outer": self._boundary, **self._by_ring()}
            lengths = {name: sum(piece.face.measure for piece in pieces) for name, pieces in by_ring.items()}
            check_lengths(self._outline, lengths, self.operator, repr(self))

    # Parts ----------------------------------------------------------------------------------------------------------

    def _leaves(self) -> tuple[Shape, ...]:
        return *self.a._leaves(), *self.b._leaves()

    def _left_of(self, of_a: str | None, of_b: str | None) -> tuple[Piece, ...]:
        """What is left of a part of each shape; where their boundaries coincide, it is that of ``a``."""
        a = self.a._pieces(of_a) if of_a else ()
        b = self.b._pieces(of_b) if of_b else ()
        if self.operator == "-":
            b = tuple(piece.turned() for piece in b)
        return *self._cut(a, self.b, None), *self._cut(b, self.a, self.a)

    def _cut(self, pieces: tuple[Piece, ...], other: Shape, first: Shape | None) -> tuple[Piece, ...]:
        found = []
        for piece in pieces:
            keep = OnBoundary(self, first, piece.side, self._step, self._edge)
            found += [Piece(face, piece.side) for face in kept(piece.face, keep, other._leaves(), self._edge)]
        return tuple(found)

    def _by_ring(self) -> dict[str, tuple[Piece, ...]]:
        middle = torch.tensor([[0.47]], dtype=torch.float64)  # not the corner of a symmetric one
        found = torch.cat([piece.face.points(middle) for piece in self._boundary]).numpy()
        numbers = numbers_by_ring(self._outline, found)
        return {name: tuple(self._boundary[i] for i in chosen) for name, chosen in numbers.items()}

    @cached_property
    def _pieces_by_part(self) -> Mapping[str, tuple[Piece, ...]]:
        of_a = self.a._sides()
        of_b = [side for side in self.b._sides() if self.operator != "-" or side in self.b.given_names]
        named = {
            name: self._left_of(name if name in of_a else None, name if name in of_b else None)
            for name in dict.fromkeys([*of_a, *of_b])
        }
        left = {name: pieces for name, pieces in named.items() if pieces}
        by_ring = self._by_ring() if self._outline is not None and self._exact else {}
        return {"boundary": self._boundary, **left, **{ring: p for ring, p in by_ring.items() if ring not in left}}

    def faces_by_part(self) -> dict[str, tuple[Face, ...]]:
        """The interior, the boundary, and what is left of the parts of both shapes."""
        inside = (in_bounds(self.bounds, self.contains, self._area() if self._exact else None),)
        of_boundary = {name: tuple(piece.face for piece in p) for name, p in self._pieces_by_part.items()}
        added = {**self.a._added, **(self.b._added if self.operator != "-" else {})}
        lasting = {name: faces for name, faces in added.items() if all(map(self._holds, faces))}
        return {"interior": inside, **of_boundary, **lasting}

    def _holds(self, face: Face) -> bool:
        return bool(self.contains(some_points(face).numpy()).all())

    def _area(self) -> float:
        return enclosed(self._boundary, tuple((low + high) / 2 for low, high in self.bounds))

    def _pieces(self, part: str) -> tuple[Piece, ...]:
        return self._pieces_by_part.get(self._own_name(part), ())

    def _sides(self) -> tuple[str, ...]:
        renamed = set(self._aliases.values())
        own = [part for part in self._pieces_by_part if part not in renamed]
        return tuple(part for part in [*own, *self._aliases] if self._is_side(part))

    @property
    def given_names(self) -> tuple[str, ...]:
        """The names given by `named`, to this or to the shapes that it is made of."""
        inherited = [*self.a.given_names, *self.b.given_names]
        renamed = set(self._aliases.values())
        return (*self._aliases, *(n for n in inherited if n in self._pieces_by_part and n not in renamed))

    # Geometry -------------------------------------------------------------------------------------------------------

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie in the shape or on its edge.

        Args:
            points: (n, d).
        """
        a = self.a.contains(points)
        if self.operator == "|":
            return a | self.b.contains(points)
        both = a & self.b.contains(points)
        found = both if self.operator == "&" else a & ~both
        x = torch.from_numpy(points[both])
        at_edge = (self.b.distance(x) >= -slack(self.b.bounds)).numpy()
        if self.operator == "&":
            at_edge &= (self.a.distance(x) >= -slack(self.a.bounds)).numpy()
        if at_edge.any():
            edges = np.flatnonzero(both)[at_edge]
            found[edges] = self._has_some_around(points[edges])
        return found

    def _has_some_around(self, points: Array) -> NDArray[np.bool_]:
        """Which points have some of the shape around them: where edges coincide, a point may be on the edge of none."""
        around = points[:, None] + 10 * self._edge * directions(points.shape[1])
        within = self.distance(torch.from_numpy(around).flatten(0, 1)) < -self._edge
        found: NDArray[np.bool_] = within.reshape(around.shape[:2]).any(dim=1).numpy()
        return found

    def distance(self, x: Points) -> PointValues:
        """Distance to the boundary, negative inside: exact on the boundary, and nowhere more than the distance.

        Args:
            x: (b, d).
        """
        a, b = self.a.distance(x), self.b.distance(x)
        if self.operator == "|":
            return torch.minimum(a, b)
        return torch.maximum(a, b if self.operator == "&" else -b)

    def normal(self, x: Points, part: str = "boundary") -> Points:
        """Outward unit normals: those of the nearest of the shapes that have a piece of the part.

        Args:
            x: On the boundary, (b, d).
            part: Part of the boundary that the points are on, which settles corners.
        """
        sides = sides_of(self._pieces_by_part.get(self._own_name(part), self._boundary))
        if not self._has_seams:
            return nearest_normal(x, sides)
        size = max(high - low for low, high in self._bounds)
        step = max(self._step, 64 * torch.finfo(x.dtype).eps * size)
        return nearest_normal(x, sides, lambda normals: pointing_out(normals, x, self.distance, step))

    @cached_property
    def _has_seams(self) -> bool:
        return face_each_other(self._boundary)

    def outline(self) -> Any:
        """As a polygon of shapely, with two coordinates and where both shapes have one."""
        return self._outline

    def _written(self) -> str:
        a, b = (f"({s!r})" if isinstance(s, Combination) and not s._aliases else repr(s) for s in (self.a, self.b))
        return f"({a} {self.operator} {b})" if self._aliases else f"{a} {self.operator} {b}"
