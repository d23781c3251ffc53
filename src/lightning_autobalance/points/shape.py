"""Shapes: domains in space that can be joined, cut and subtracted."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import qmc
from torch import Tensor

from lightning_autobalance.points.boundary_pieces import Leaf, OnBoundary, Piece, kept
from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.face import Face, accepted
from lightning_autobalance.points.integrals import enclosed, extent
from lightning_autobalance.points.planar import check_overlap, combined, numbers_by_ring, rings, shapely_or_remedy
from lightning_autobalance.points.rejection import TRIALS, in_bounds
from lightning_autobalance.points.rounding import Array, Bounds, slack
from lightning_autobalance.shapes import Points, PointValues

STEP = 1e-6  # across a boundary, of the size of the smallest shape


class Shape(Domain):
    """A domain in space with `distance` and `normal`, which takes part in ``a | b``, ``a & b`` and ``a - b``."""

    def outline(self) -> Any:
        """The shape as a polygon of shapely, fine enough to tell pieces and holes; None where it has none."""
        return None

    def __or__(self, other: "Shape") -> "Combination":
        return self._combined("|", other)

    def __and__(self, other: "Shape") -> "Combination":
        return self._combined("&", other)

    def __sub__(self, other: "Shape") -> "Combination":
        return self._combined("-", other)

    def _combined(self, operator: str, other: Any) -> "Combination":
        if isinstance(other, Domain) and not isinstance(other, Shape):
            raise TypeError(
                f"`{operator}` must have a shape on both sides, got {type(other).__name__}. Combine shapes in space "
                "first; time and parameters come after."
            )
        return Combination(operator, self, other) if isinstance(other, Shape) else NotImplemented

    @property
    def _leaves(self) -> tuple[Leaf, ...]:
        return (Leaf(self),)

    def _pieces(self, part: str) -> tuple[Piece, ...]:
        return tuple(Piece(face, 0, part) for face in self.faces(part))

    def _sides(self) -> tuple[str, ...]:
        """The parts of the boundary that a combination keeps: all but closed lines, which it finds anew."""
        return tuple(part for part in self.parts if self._is_side(part))

    def _is_side(self, part: str) -> bool:
        if part in self._added or self._own_name(part) == "interior":
            return False
        automatic = part in ("boundary", "outer", "hole") or part.startswith("hole_")
        return part in self.given_names or not automatic


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
        if a.coordinates != b.coordinates:
            raise ValueError(
                f"`{operator}` must have shapes with the same coordinates, got {a.coordinates} and {b.coordinates}."
            )
        self._bounds = self._outer_bounds()
        self._all_leaves = (*a._leaves, *(Leaf(leaf.shape, self._turn * leaf.sign) for leaf in b._leaves))
        sizes = [high - low for leaf in self._all_leaves for low, high in leaf.shape.bounds]
        self._edge = max(slack(leaf.shape.bounds) for leaf in self._all_leaves)
        self._step = max(STEP * min(sizes), 10 * self._edge)
        self._outline = self._checked_outline()
        self._boundary = self._left_of("boundary", "boundary")
        self._exact = all(piece.face.dim < 2 and piece.face.rate == 1.0 for piece in self._boundary)
        self._check_boundary()
        if self._exact:
            self._bounds = self._tight_bounds()
        self._seams = False
        self._seams = self._normals_depend_on_the_side()

    @property
    def _turn(self) -> int:
        return -1 if self.operator == "-" else 1

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Those of both shapes."""
        return self.a.coordinates

    @property
    def bounds(self) -> Bounds:
        """The bounding box; in more than two dimensions that of ``a`` for a difference, the boxes' overlap for a cut."""
        return self._bounds

    def _outer_bounds(self) -> Bounds:
        if self.operator == "-":
            check_overlap("-", _overlap(self.a.bounds, self.b.bounds) is not None, repr(self))
            return self.a.bounds
        if self.operator == "|":
            pairs = zip(self.a.bounds, self.b.bounds, strict=True)
            return tuple((min(p[0], q[0]), max(p[1], q[1])) for p, q in pairs)
        overlap = _overlap(self.a.bounds, self.b.bounds)
        check_overlap("&", overlap is not None, repr(self))
        return overlap or ()

    def _tight_bounds(self) -> Bounds:
        known = np.array([leaf.shape.bounds for leaf in self._all_leaves])  # (leaves, d, 2)

        def snapped(axis: int, value: float) -> float:
            nearest = known[:, axis].flat[np.abs(known[:, axis].ravel() - value).argmin()]
            return float(nearest) if abs(nearest - value) <= self._step * 1e-3 + self._edge else value

        found = extent(piece.face for piece in self._boundary)
        return tuple((snapped(i, low), snapped(i, high)) for i, (low, high) in enumerate(found))

    # What is refused ------------------------------------------------------------------------------------------------

    def _checked_outline(self) -> Any:
        if len(self.bounds) == 2:
            shapely_or_remedy()
            outlines = self.a.outline(), self.b.outline()
            if None not in outlines:
                return combined(self.operator, *outlines, repr(self))
        if self.operator != "|":
            both = _overlap(self.a.bounds, self.b.bounds) or ()
            points = _spread(both)
            check_overlap(self.operator, bool((self.a.contains(points) & self.b.contains(points)).any()), repr(self))
        if not self.contains(_spread(self.bounds)).any():
            raise ValueError(f"`{self.operator}` must leave something, got nothing of {TRIALS} points for {self!r}.")
        return None

    def _check_boundary(self) -> None:
        if len(self.bounds) == 1 and len(self._boundary) != 2:
            raise ValueError(
                f"`{self.operator}` must give one interval, got {len(self._boundary)} ends for {self!r}. Take a "
                "problem for each interval."
            )
        if self._outline is None or not self._exact:
            return
        lines = rings(self._outline)
        by_ring = self._by_ring() or {"outer": self._boundary}
        for name, line in lines.items():
            pieces = by_ring["hole" if name not in by_ring else name]
            length = sum(piece.face.measure for piece in pieces)
            if abs(length - line.length) > 0.01 * line.length:
                raise ValueError(
                    f"`{self.operator}` must give a shape without parts thinner than {STEP:g} of it and without sides "
                    f"that nearly coincide, got a boundary of length {length:.6g} where {line.length:.6g} is expected "
                    f"({name}) for {self!r}. Let sides coincide or move them apart."
                )

    # Parts ----------------------------------------------------------------------------------------------------------

    @property
    def _leaves(self) -> tuple[Leaf, ...]:
        return self._all_leaves

    def _left_of(self, of_a: str | None, of_b: str | None) -> tuple[Piece, ...]:
        a = self._cut(self.a, of_a, 0, None) if of_a else ()
        b = self._cut(self.b, of_b, len(self.a._leaves), self.a) if of_b else ()  # what coincides is that of a
        return a + b

    def _cut(self, operand: Shape, part: str, first_leaf: int, first: Shape | None) -> tuple[Piece, ...]:
        others = [leaf.shape for leaf in (self.a if first else self.b)._leaves]
        found = []
        for piece in operand._pieces(part):
            number = first_leaf + piece.leaf
            keep = OnBoundary(self, first, self._all_leaves[number], piece.side, self._step, self._edge)
            found += [Piece(face, number, piece.side) for face in kept(piece.face, keep, others, self._edge)]
        return tuple(found)

    def _by_ring(self) -> dict[str, tuple[Piece, ...]]:
        half = torch.tensor([[0.5]], dtype=torch.float64)
        middles = torch.cat([piece.face.points(half) for piece in self._boundary]).numpy()
        numbers = numbers_by_ring(self._outline, middles)
        return {name: tuple(self._boundary[i] for i in chosen) for name, chosen in numbers.items()}

    @cached_property
    def _pieces_by_part(self) -> Mapping[str, tuple[Piece, ...]]:
        of_a = self.a._sides()
        of_b = [side for side in self.b._sides() if self.operator != "-" or side in self.b.given_names]
        named = {
            name: self._left_of(name if name in of_a else None, name if name in of_b else None)
            for name in dict.fromkeys([*of_a, *of_b])
        }
        by_ring = self._by_ring() if self._outline is not None and self._exact else {}
        left = {name: pieces for name, pieces in named.items() if pieces}
        return {"boundary": self._boundary, **left, **{ring: p for ring, p in by_ring.items() if ring not in left}}

    def faces_by_part(self) -> dict[str, tuple[Face, ...]]:
        """The interior, the boundary, and what is left of the parts of both shapes."""
        return self._found

    @cached_property
    def _found(self) -> dict[str, tuple[Face, ...]]:
        inside = (in_bounds(self.bounds, self.contains, self._exact_measure()),)
        of_boundary = {name: tuple(piece.face for piece in p) for name, p in self._pieces_by_part.items()}
        added = {**self.a._added, **(self.b._added if self.operator != "-" else {})}
        lasting = {name: faces for name, faces in added.items() if all(map(self._holds, faces))}
        return {"interior": inside, **lasting, **of_boundary}

    def _holds(self, face: Face) -> bool:
        return bool(self.contains(_some_points(face).numpy()).all())

    def _exact_measure(self) -> float | None:
        if not self._exact:
            return None
        center = tuple((low + high) / 2 for low, high in self.bounds)
        return enclosed([(p.face, lambda y, p=p: self._own_normal(p, y)) for p in self._boundary], center)

    def _own_normal(self, piece: Piece, x: Tensor) -> Tensor:
        return self._all_leaves[piece.leaf].normal(x, piece.side)

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
        found = self.a.contains(points)
        if self.operator == "|":
            return found | self.b.contains(points)
        both = found & self.b.contains(points)
        if self.operator == "&" or not both.any():
            return both if self.operator == "&" else found
        found = found.copy()
        found[both] = (self.b.distance(torch.from_numpy(points[both])) >= -slack(self.b.bounds)).numpy()  # its edge
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
        pieces = self._pieces_by_part.get(self._own_name(part), self._boundary)
        return self._normal(x, tuple(dict.fromkeys((piece.leaf, piece.side) for piece in pieces)))

    def _normal(self, x: Tensor, sides: tuple[tuple[int, str], ...]) -> Tensor:
        leaves = [self._all_leaves[number] for number, _ in sides]
        away = torch.stack([leaf.shape.distance(x).abs() for leaf in leaves])
        normals = torch.stack([leaf.normal(x, side) for leaf, (_, side) in zip(leaves, sides, strict=True)])
        if self._seams:  # where sides meet that face each other, only one of them points out of this shape
            size = max(high - low for low, high in self._bounds)
            step = max(self._step, 64 * torch.finfo(x.dtype).eps * size)
            ends = [self.distance((x + s * normals).flatten(0, 1)) for s in (step, -step)]
            away = torch.where((ends[0] > ends[1]).reshape(away.shape), away, torch.inf)
        nearest = away.argmin(dim=0)[None, :, None].expand(1, *x.shape)
        return normals.gather(0, nearest)[0]

    def _normals_depend_on_the_side(self) -> bool:
        sides = tuple(dict.fromkeys((piece.leaf, piece.side) for piece in self._boundary))
        return any(
            bool(((self._normal(x, sides) * self._own_normal(piece, x)).sum(dim=1) < 0).any())
            for piece in self._boundary
            if len(x := _some_points(piece.face))
        )

    def outline(self) -> Any:
        """As a polygon of shapely, with two coordinates and where both shapes have one."""
        return self._outline

    def __repr__(self) -> str:
        a, b = (f"({s!r})" if isinstance(s, Combination) else repr(s) for s in (self.a, self.b))
        return f"{a} {self.operator} {b}"


def _overlap(a: Bounds, b: Bounds) -> Bounds | None:
    found = tuple((max(p[0], q[0]), min(p[1], q[1])) for p, q in zip(a, b, strict=True))
    return found if all(low < high for low, high in found) else None


def _spread(bounds: Bounds) -> Array:
    low, high = np.array(bounds).T
    points: Array = low + (high - low) * qmc.Halton(len(bounds), scramble=False).random(TRIALS)
    return points


def _some_points(face: Face) -> Tensor:
    found = face.points(torch.rand(64, face.dim, generator=torch.Generator().manual_seed(0)).double())
    return found[accepted(found)]
