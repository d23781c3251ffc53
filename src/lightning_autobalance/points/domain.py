"""The base class of all domains: named parts, made of faces that are images of unit cubes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from difflib import get_close_matches
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.points.crossings import on_crossings
from lightning_autobalance.points.face import Face, single_point, some_points
from lightning_autobalance.points.rejection import in_bounds
from lightning_autobalance.points.rounding import Array, Bounds, checked_bounds
from lightning_autobalance.shapes import Points, PointValues
from lightning_autobalance.utils.arguments import check_at_least

Own = TypeVar("Own", bound="Domain")


class Domain(ABC):
    """Where a PDE holds: coordinates, and parts with names such as "interior" and "boundary".

    A domain of one's own has ``bounds`` and ``contains``; then its points are found by rejection, see
    `faces_by_part`. With `distance` it also has normals, and, as a subclass of `Shape`, joins the algebra of shapes.
    """

    _aliases: Mapping[str, str] = {}  # name given by `named` -> own name
    _added: Mapping[str, tuple[Face, ...]] = {}  # by `with_part`

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "_faces" in cls.__dict__:
            raise TypeError(f"`_faces` of {cls.__name__} was renamed and would not be called: write `faces_by_part`.")

    def __repr__(self) -> str:
        ranges = zip(self.coordinates, self.bounds, strict=True)
        return f"{type(self).__name__}({', '.join(f'{name} in [{a:.4g}, {b:.4g}]' for name, (a, b) in ranges)})"

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names, one per coordinate; x, y, z by default, and time is "t"."""
        return tuple("xyz"[: len(self.bounds)])

    @property
    @abstractmethod
    def bounds(self) -> Bounds:
        """The bounding box, (low, high) per coordinate; the domain ends where its box does."""

    @abstractmethod
    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie in the domain or on its edge.

        Args:
            points: (n, d).

        Returns:
            (n,).
        """

    def faces_by_part(self) -> Mapping[str, tuple[Face, ...]]:
        """The faces of each part: what a domain of one's own writes for exact places, or for further parts.

        By default the interior is drawn from the bounding box by rejection, and the boundary from where random lines
        enter or leave: lines that are uniform among all lines cross it uniformly by area (Crofton). A line is followed
        in 64 steps, so that details smaller than that are missed.

        A face of your own maps a unit cube; what ``super()`` gives is kept::

            def faces_by_part(self):
                def rim(unit):  # (n, 1) to (n, 2), the inner circle, evenly by length
                    angle = 2 * torch.pi * unit[:, 0]
                    return torch.stack([angle.cos(), angle.sin()], dim=1)

                face = Face(1, rim, measure=2 * torch.pi, weight=2 * torch.pi)
                return {**super().faces_by_part(), "rim": (face,)}
        """
        bounds = tuple(checked_bounds("bounds", b) for b in self.bounds)
        return {
            "interior": (in_bounds(bounds, self.contains),),
            "boundary": (on_crossings(bounds, self.contains),),
        }

    def distance(self, x: Points) -> PointValues:
        """Distance to the boundary, negative inside, by operations of torch.

        Of a combination of shapes: exact on the boundary, and nowhere more than the distance.

        Args:
            x: (b, d).

        Returns:
            (b,).
        """
        raise NotImplementedError(
            f"`{type(self).__name__}` must define `distance(x)`, (b, d) to (b,), negative inside, for normals and for "
            "the algebra of shapes."
        )

    def normal(self, x: Points, part: str = "boundary") -> Points:
        """Outward unit normals at points of the boundary; by default the gradient of `distance`.

        Args:
            x: On the boundary, (b, d).
            part: Part of the boundary that the points are on, which settles corners.

        Returns:
            (b, d).
        """
        del part
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.distance(x).sum(), x)
        return torch.nn.functional.normalize(gradient, dim=1)

    # Parts ----------------------------------------------------------------------------------------------------------

    def named(self: Own, boundary: str | None = None, /, **parts: str) -> Own:
        """The same domain with names for parts of its boundary, such as ``named(left="inlet", right="outlet")``.

        Args:
            boundary: Name for the whole boundary, by which a combination of shapes knows what is left of it.
            **parts: New name by name of a part.

        Raises:
            ValueError: If a part is unknown, or a name is taken or given twice.
        """
        twin = copy(self)
        given = [*parts.values(), *([boundary] if boundary else [])]
        if twice := [name for name in dict.fromkeys(given) if given.count(name) > 1]:
            raise ValueError(
                f"`named` must give each name once, got {twice[0]!r} twice. Let a term take the points of several, "
                '`torch.cat([points["left"], points["right"]])`.'
            )
        wanted = {new: self._own_name(old) for old, new in parts.items()} | ({boundary: "boundary"} if boundary else {})
        kept = {new: old for new, old in self._aliases.items() if new not in parts}
        for new, old in wanted.items():
            self.faces(old)
            if not isinstance(new, str) or not new.isidentifier() or new in {*self.parts, *kept} - set(parts):
                raise ValueError(f"`named` must give words that are no part yet, {self.parts}, got {new!r}.")
        twin._aliases = {**kept, **wanted}
        return twin

    @property
    def given_names(self) -> tuple[str, ...]:
        """The names given by `named`."""
        return tuple(self._aliases)

    def with_part(self: Own, name: str, place: "Domain | Sequence[float]", part: str = "interior") -> Own:
        """The same domain with a further part: a single point, or a part of another domain that lies within.

        Such as a corner where the pressure is known, a sensor, an inclusion or its edge.

        Args:
            name: Of the part.
            place: A point, one number per coordinate, or a domain with the same coordinates.
            part: The part of that domain.

        Raises:
            ValueError: If the name is taken, the coordinates differ, or the part does not lie in this domain.
        """
        if not name.isidentifier() or name in self.parts:
            raise ValueError(f"`name` must be a word that is no part yet, {self.parts}, got {name!r}.")
        if isinstance(place, Domain):
            if place.coordinates != self.coordinates:
                raise ValueError(f"`place` must have coordinates {self.coordinates}, got {place.coordinates}.")
            faces = place.faces(part)
        else:
            if len(place) != len(self.bounds):
                raise ValueError(f"`place` must be {len(self.bounds)} numbers or a domain, got {place}.")
            faces = (single_point(torch.tensor(place, dtype=torch.float64)),)
        twin = copy(self)
        for face in faces:
            if not self.contains(some_points(face).numpy()).all():
                raise ValueError(f"`place` must lie in the domain, got points outside for {name!r}.")
        twin._added = {**self._added, name: faces}
        return twin

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts."""
        return tuple(self._all_faces())

    def faces(self, part: str) -> tuple[Face, ...]:
        """The faces of a part.

        Raises:
            ValueError: If there is no such part.
        """
        faces = self._all_faces()
        if part not in faces and (own := self._own_name(part)) in faces:
            return faces[own]
        if part not in faces:
            close = get_close_matches(part, faces, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"`part` must be one of {', '.join(faces)}, got {part!r}.{hint}")
        return faces[part]

    def measure(self, part: str = "interior") -> float:
        """Length, area or volume of a part; NaN if unknown.

        Raises:
            ValueError: If there is no such part.
        """
        return sum(face.measure for face in self.faces(part))

    def _own_name(self, part: str) -> str:
        """The name of a part before `named`."""
        return self._aliases.get(part, part)

    def _all_faces(self) -> dict[str, tuple[Face, ...]]:
        if "_own_faces" not in self.__dict__:
            self.__dict__["_own_faces"] = self.faces_by_part()
        own: Mapping[str, tuple[Face, ...]] = self.__dict__["_own_faces"]
        given = {new: own[old] for new, old in self._aliases.items()}
        renamed = set(self._aliases.values()) - {"interior", "boundary", "initial"}
        return {**{part: faces for part, faces in own.items() if part not in renamed}, **given, **self._added}

    # Evaluation -----------------------------------------------------------------------------------------------------

    def grid(self, count: int) -> Array:
        """A regular grid over the domain, its edge included, for evaluation.

        Args:
            count: About how many points; ``round(count ** (1 / d))``, at least 2, along each axis of the bounding box,
                of which those outside the domain are left out.

        Returns:
            (n, d), the first coordinate varying slowest.

        Raises:
            ValueError: If ``count`` is not positive, or so small that no point lies in the domain.
        """
        check_at_least("count", count, 1)
        along = max(2, round(count ** (1 / len(self.bounds))))
        axes = [np.linspace(low, high, along) for low, high in self.bounds]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        found = points[self.contains(points)]
        if not len(found):
            raise ValueError(f"`count` must put points into the domain, got {count}, none inside. Take a larger one.")
        return found


def rounded_inside(domain: Domain, points: Array, dtype: torch.dtype) -> Tensor:
    """Points in another floating point type, none outside the domain because of it: the float32 of pi is above pi.

    Args:
        domain: The points lie in it.
        points: (n, d), float64.
        dtype: Of the result.

    Returns:
        (n, d) on the CPU, as `rounded` gives them, without those that are still outside.
    """
    found = rounded(domain, points, dtype)
    return found[torch.from_numpy(domain.contains(found.double().numpy()))]


def rounded(domain: Domain, points: Array, dtype: torch.dtype) -> Tensor:
    """Points in another floating point type, row by row; those outside lie one number further in.

    Args:
        domain: Most of the points lie in it.
        points: (n, d), float64.
        dtype: Of the result.

    Returns:
        (n, d) on the CPU.
    """
    low, high = torch.tensor(domain.bounds, dtype=torch.float64).T
    found = torch.as_tensor(points, dtype=torch.float64).to(dtype)
    outside = ~torch.from_numpy(domain.contains(found.double().numpy()))
    center = ((low + high) / 2).to(dtype).expand_as(found)
    found[outside] = torch.nextafter(found[outside], center[outside])
    return found
