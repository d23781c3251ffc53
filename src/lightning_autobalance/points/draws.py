"""Points that change from one optimizer step to the next, within a batch."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

ByPart = dict[str, Tensor]


class Draws:
    """The points of several optimizer steps; read like a dictionary, those of the first one.

    Not a ``Mapping``, of which Lightning would make new ones out of the parts.

    Args:
        step: Number of optimizer steps done before the first one.
        at: Gives the points of a step, each (b, d), where and as they are needed.
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
        """The points of the first step, or something else where there is no such part.

        Args:
            part: Its name.
            default: What else.
        """
        return self.at(self.step).get(part, default)

    def keys(self) -> Any:
        """The names of the parts."""
        return self.at(self.step).keys()

    def values(self) -> Any:
        """The points of the first step."""
        return self.at(self.step).values()

    def items(self) -> Any:
        """The points of the first step, with their parts."""
        return self.at(self.step).items()

    def to(self, *_: Any, **__: Any) -> "Draws":
        """Itself: the points lie where the module is. Lightning asks for it."""
        return self


def points_of(batch: Mapping[str, Tensor] | Draws, step: int) -> Mapping[str, Tensor]:
    """The points of one optimizer step.

    Args:
        batch: Of a ``training_step``.
        step: Number of optimizer steps done before.
    """
    return batch.at(step) if isinstance(batch, Draws) else batch
