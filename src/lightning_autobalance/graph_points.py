"""The points of a captured step: copied to where it reads them, or drawn by the step itself."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lightning_autobalance.points import Draws, points_of

Batch = Mapping[str, Tensor] | Draws


class CopiedPoints:
    """Points that are copied when they are others than before.

    Args:
        batch: The data's.
        step: Number of optimizer steps done before.
    """

    def __init__(self, batch: Batch, step: int) -> None:
        self._points = {part: x.detach().clone() for part, x in points_of(batch, step).items()}

    def load(self, batch: Batch, step: int) -> None:
        """Copy the points of a step.

        Args:
            batch: The data's.
            step: Number of optimizer steps done before.
        """
        for part, x in points_of(batch, step).items():
            self._points[part].copy_(x)

    def __call__(self) -> Mapping[str, Tensor]:
        """Those that were loaded."""
        return self._points

    def fits(self, batch: Batch, step: int) -> bool:
        """Whether numbers of points and their types are as before.

        Args:
            batch: The data's.
            step: Number of optimizer steps done before.
        """
        return _kinds(points_of(batch, step)) == _kinds(self._points)


class DrawnPoints:
    """Points that the captured step draws, from the number of the step on the device.

    Args:
        inside: Gives the points of a step, from its number as a 0-dim int64 tensor.
        device: Where.
    """

    def __init__(self, inside: Callable[[Tensor], Mapping[str, Tensor]], device: torch.device) -> None:
        self._inside = inside
        self._step = torch.zeros((), dtype=torch.int64, device=device)

    def load(self, batch: Batch, step: int) -> None:  # noqa: ARG002
        """Set the number of the step.

        Args:
            batch: The data's.
            step: Number of optimizer steps done before.
        """
        self._step.fill_(step)

    def __call__(self) -> Mapping[str, Tensor]:
        """Draw them."""
        return self._inside(self._step)

    def fits(self, batch: Batch, step: int) -> bool:  # noqa: ARG002
        """Whether they are drawn as before.

        Args:
            batch: The data's.
            step: Number of optimizer steps done before.
        """
        return isinstance(batch, Draws) and batch.inside is self._inside


def graph_points(batch: Batch, step: int, device: torch.device) -> CopiedPoints | DrawnPoints:
    """What a captured step reads its points from.

    Args:
        batch: The data's.
        step: Number of optimizer steps done before.
        device: Where they lie.
    """
    if isinstance(batch, Draws) and batch.inside is not None:
        return DrawnPoints(batch.inside, device)
    return CopiedPoints(batch, step)


def _kinds(points: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {part: (x.shape, x.dtype) for part, x in points.items()}
