"""The disk."""

from lightning_autobalance.points.ball import Ball


class Disk(Ball):
    """A disk with parts "interior" and "boundary", the circle.

    Args:
        center: (x, y).
        radius: Positive.

    Raises:
        ValueError: If the radius is not positive, or a number is not finite.
    """

    def __init__(self, center: tuple[float, float] = (0.0, 0.0), radius: float = 1.0) -> None:
        if len(center) != 2:
            raise ValueError(f"`center` must be two numbers, got {tuple(center)}.")
        super().__init__(center, radius)
