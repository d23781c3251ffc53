"""Domains that are given by points."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from lightning_autobalance.points.cloud_files import read_cloud
from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.face import Face
from lightning_autobalance.points.finite import Chosen, Nearest
from lightning_autobalance.points.rounding import Array, Bounds, checked_names, inside, slack
from lightning_autobalance.shapes import Points, PointValues
from lightning_autobalance.utils.arguments import check_at_least, check_positive

_NO_EDGE = ("interior", "initial")


class PointCloud(Domain):
    """A domain given by points, such as the nodes of a mesh or places of measurements; each part by its own.

    Collocation points are drawn from these, none twice in a draw; with time or a parameter, each draws its values anew
    for every point. The further parts together are the part "boundary", unless one has that name.

    Args:
        interior: (n, d).
        parts: Further parts by name, each (m, d).
        normals: Outward normals by part, (m, d), a row per point; they get unit length.
        coordinates: A name of letters per coordinate; x, y, z by default. With t among them, the cloud has times of its
            own, and may have a part "initial".
        reach: How far the domain extends around each point, for plots and grids. By default the largest distance of a
            point to the one nearest to it.

    Raises:
        ValueError: If the columns are not as many as coordinates, a number is not finite, a part is empty, or normals
            do not fit their part.
    """

    def __init__(
        self,
        interior: ArrayLike | Tensor,
        parts: Mapping[str, ArrayLike | Tensor] | None = None,
        normals: Mapping[str, ArrayLike | Tensor] | None = None,
        coordinates: Sequence[str] | None = None,
        reach: float | None = None,
    ) -> None:
        inner = _rows("interior", interior)
        d = inner.shape[1]
        self._coordinates = checked_names("xyz"[:d] if coordinates is None else coordinates, d)
        self._points = {"interior": inner}
        for name, points in (parts or {}).items():
            if not isinstance(name, str) or not name.isidentifier() or name == "interior":
                raise ValueError(f"`parts` must have names that are words, and no 'interior', got {name!r}.")
            self._points[name] = _rows(name, points, d)
        if "initial" in self._points and "t" not in self._coordinates:
            raise ValueError(f"`parts` must have no 'initial' without a coordinate t, got {self._coordinates}.")
        self._normals = {part: self._unit(part, rows) for part, rows in (normals or {}).items()}
        if reach is not None:
            check_positive("reach", reach)
        self._reach = reach
        self._nearest: dict[str, tuple[Nearest, Tensor]] = {}  # with the normals, by part that was asked for

    @classmethod
    def from_file(
        cls,
        path: str | PathLike[str],
        coordinates: Sequence[str] | None = None,
        names: Mapping[int, str] | None = None,
        reach: float | None = None,
    ) -> "PointCloud":
        """A cloud from a file: see `read_cloud` for what is read.

        Args:
            path: An ``.npz``, a ``.csv``, or a mesh that meshio reads, such as ``.vtu``.
            coordinates: Names of the coordinates; of a CSV file, the columns to read.
            names: Names of the parts by their number in a mesh.
            reach: As of the class.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If its columns, arrays or parts are not as they must be.
        """
        found = read_cloud(path, coordinates, names)
        try:
            return cls(found.points.pop("interior"), found.points, found.normals, found.coordinates, reach)
        except ValueError as error:
            raise ValueError(f"`path` must be a cloud of points, got {str(path)!r}: {error}") from error

    def _unit(self, part: str, rows: ArrayLike | Tensor) -> Array:
        if part not in self._points:
            raise ValueError(f"`normals` must be of parts, {', '.join(self._points)}, got {part!r}.")
        found, points = _rows(part, rows, argument="normals"), self._points[part]
        if found.shape != points.shape:
            raise ValueError(f"`normals` of {part!r} must have shape {points.shape}, got {found.shape}.")
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        if not lengths.all():
            raise ValueError(f"`normals` of {part!r} must not be 0, got row {int(np.argmin(lengths))}.")
        unit: Array = found / lengths
        return unit

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names, one per coordinate."""
        return self._coordinates

    @cached_property
    def bounds(self) -> Bounds:
        """The box around all points."""
        low, high = self._all.min(axis=0).tolist(), self._all.max(axis=0).tolist()
        return tuple(zip(low, high, strict=True))

    def faces_by_part(self) -> dict[str, tuple[Face, ...]]:
        """The points of each part, with weights by their numbers."""
        own = {
            part: (Face(1, Chosen(torch.from_numpy(x)), weight=len(x), size=len(x)),)
            for part, x in self._points.items()
        }
        edge = tuple(face for part in self._edge for face in own[part])
        return {"interior": own["interior"], **({"boundary": edge} if edge else {}), **own}

    @property
    def _edge(self) -> list[str]:
        """The parts that are the boundary."""
        return ["boundary"] if "boundary" in self._points else [p for p in self._points if p not in _NO_EDGE]

    @cached_property
    def _all(self) -> Array:
        return np.unique(np.concatenate(list(self._points.values())), axis=0)

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self._all)

    @property
    def reach(self) -> float:
        """How far the domain extends around each point."""
        return self._own_reach

    @cached_property
    def _own_reach(self) -> float:
        if self._reach is not None or len(self._all) == 1:
            return self._reach or 0.0
        apart = float(self._tree.query(self._all, k=2)[0][:, 1].max())
        return float(
            max(1.0, 0.5 * len(self._coordinates) ** 0.5) * apart
        )  # the middle of a cube is half a diagonal away

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie within reach of a point of the cloud, and in the box around all.

        Args:
            points: (n, d).
        """
        found = inside(points, self.bounds)
        found[found] = self._tree.query(points[found])[0] <= self.reach + slack(self.bounds)
        return found

    def grid(self, count: int) -> Array:
        """The points of all parts; an even choice of ``count`` where they are more.

        Args:
            count: The largest number of points.

        Returns:
            (n, d), in increasing order.

        Raises:
            ValueError: If ``count`` is not positive.
        """
        check_at_least("count", count, 1)
        last = len(self._all) - 1
        chosen: Array = self._all[np.linspace(0, last, min(count, last + 1)).round().astype(int)]
        return chosen

    def distance(self, x: Points) -> PointValues:
        """Not known.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            "`PointCloud` has no distance to its boundary, only the `normals` that it is given. Where a distance is "
            "needed, take another domain, and these points as a part of it: `domain.with_part(name, cloud)`."
        )

    def normal(self, x: Points, part: str = "boundary") -> Points:
        """The normal of the nearest point of a part.

        Args:
            x: (b, d).
            part: A part with normals, or "boundary".

        Raises:
            ValueError: If there is no such part, or it has no normals.
        """
        own = self._own_name(part)
        parts = self._edge if own == "boundary" and self.faces(part) else [own]
        missing = [name for name in parts if name not in self._normals]
        if missing:
            self.faces(part)
            raise ValueError(f"`normals` must have a row per point of {missing[0]!r}, got those of {[*self._normals]}.")
        if own not in self._nearest:
            places, normals = (np.concatenate([of[name] for name in parts]) for of in (self._points, self._normals))
            self._nearest[own] = Nearest(places), torch.from_numpy(normals)
        find, found = self._nearest[own]
        return found.to(x)[find(x)]


def _rows(part: str, rows: ArrayLike | Tensor, columns: int | None = None, argument: str = "points") -> Array:
    """Rows as an array of float64, if all are finite."""
    try:
        given = np.asarray(rows.detach().cpu() if isinstance(rows, Tensor) else rows)
        if np.iscomplexobj(given):
            raise TypeError("it is complex.")
        found = given.astype(np.float64)  # a copy
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{argument}` of {part!r} must be a table of numbers: {error}") from error
    if found.ndim != 2 or not found.size or (columns is not None and found.shape[1] != columns):
        wanted = f"(n, {columns or 'd'})"
        raise ValueError(f"`{argument}` of {part!r} must have shape {wanted} with n >= 1, got {found.shape}.")
    bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(bad):
        raise ValueError(
            f"`{argument}` of {part!r} must be finite, got {len(bad)} row(s) that are not, first {int(bad[0])}: "
            f"{found[bad[0]].tolist()}."
        )
    return found
