"""Batches whose points change from one optimizer step to the next."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

ByPart = dict[str, Tensor]


class Draws:
    """The points of several optimizer steps; read as a dictionary, those of the first one.

    Not a ``Mapping``, since Lightning takes mappings apart and builds new ones from their items.

    Args:
        step: Number of the first optimizer step, from 0.
        at: Number of a step to its points by part, each (b, d), on the module's device and in its dtype.
    """

    def __init__(self, step: int, at: Callable[[int], ByPart]) -> None:
        self.step = step
        self.at = at

    def __getitem__(self, part: str) -> Tensor:
        return self.at(self.step)[part]

    def __iter__(self) -> Iterator[str]:
        return iter(self.at(self.step))

    def __len__(self) -> int:
        return len(self.at(self.step))

    def __contains__(self, part: object) -> bool:
        return part in self.at(self.step)

    def get(self, part: str, default: Any = None) -> Any:
        """The first step's points of a part, or ``default`` if there is no such part."""
        return self.at(self.step).get(part, default)

    def keys(self) -> Any:
        """The names of the parts."""
        return self.at(self.step).keys()

    def values(self) -> Any:
        """The points of the first step."""
        return self.at(self.step).values()

    def items(self) -> Any:
        """The parts and their points in the first step."""
        return self.at(self.step).items()

    def to(self, *_: Any, **__: Any) -> "Draws":
        """Itself, for Lightning: the points are on the module's device already."""
        return self


def points_of(batch: Mapping[str, Tensor] | Draws, step: int) -> Mapping[str, Tensor]:
    """The points of one optimizer step, the same for all steps of a batch that is no `Draws`.

    Args:
        batch: The argument of ``training_step``.
        step: Number of the step, from 0.
    """
    return batch.at(step) if isinstance(batch, Draws) else batch
