"""Space times time."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.points.domain import Array, Domain, Face, checked_bounds, inside


class TimeCylinder(Domain):
    """A domain in space times an interval of time, with parts "interior", "boundary" (at all times) and "initial".

    Args:
        space: The domain in space.
        time: (start, end).

    Raises:
        ValueError: If the end is not after the start, or space has a coordinate t.
    """

    def __init__(self, space: Domain, time: tuple[float, float]) -> None:
        if "t" in space.coordinates:
            raise ValueError(f"`space` must have no coordinate t, got {space.coordinates}.")
        self._space = space
        self._time = checked_bounds("time", time)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Those of space, then t."""
        return *self._space.coordinates, "t"

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Those of space, then time's."""
        return *self._space.bounds, self._time

    def _faces(self) -> dict[str, tuple[Face, ...]]:
        moving = {part: tuple(self._moving(face) for face in self._space.faces(part)) for part in self._space.parts}
        start = tuple(Face(face.dim, partial(self._at_start, face)) for face in self._space.faces("interior"))
        return {**moving, "initial": start}

    def _moving(self, face: Face) -> Face:
        return Face(face.dim + 1, partial(self._over_time, face))

    def _over_time(self, face: Face, unit: Tensor) -> Tensor:
        start, end = self._time
        return torch.cat([face.points(unit[:, :-1]), start + (end - start) * unit[:, -1:]], dim=1)

    def _at_start(self, face: Face, unit: Tensor) -> Tensor:
        return torch.cat([face.points(unit), unit.new_full((len(unit), 1), self._time[0])], dim=1)

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie in the domain in space, at a time from start to end.

        Args:
            points: (n, d).
        """
        found: NDArray[np.bool_] = self._space.contains(points[:, :-1]) & inside(points[:, -1:], (self._time,))
        return found
