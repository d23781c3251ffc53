"""Space times time."""

from functools import partial

from torch import Tensor

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.extended import Extended
from lightning_autobalance.points.face import Face
from lightning_autobalance.points.writing import names_written, written


class TimeCylinder(Extended):
    """A domain in space times an interval of time: the parts of space at all times, and "initial".

    ``distance`` and ``normal`` are those of space.

    Args:
        space: The domain in space.
        time: (start, end).

    Raises:
        ValueError: If the end is not after the start, or space has a coordinate t.
    """

    def __init__(self, space: Domain, time: tuple[float, float]) -> None:
        if "t" in space.coordinates:
            raise ValueError(f"`space` must have no coordinate t, got {space.coordinates}.")
        super().__init__(space, "t", time, "time")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base!r}, {written(*self.interval)}){names_written(self._aliases)}"

    def faces_by_part(self) -> dict[str, tuple[Face, ...]]:
        """The parts of space at all times, and its interior at the start."""
        start = tuple(self._changed(face, partial(self._at_start, face)) for face in self.base.faces("interior"))
        return {**super().faces_by_part(), "initial": start}

    def _at_start(self, face: Face, unit: Tensor) -> Tensor:
        return self._joined(face.points(unit), unit.new_full((len(unit), 1), self.interval[0]))
