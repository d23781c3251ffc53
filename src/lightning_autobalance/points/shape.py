"""Shapes: domains in space that can be joined, cut and subtracted."""

from typing import Any

from lightning_autobalance.points.domain import Domain


class Shape(Domain):
    """A domain in space with `distance` and `normal`, which takes part in ``a | b``, ``a & b`` and ``a - b``."""

    def outline(self) -> Any:
        """The shape as a polygon of shapely, fine enough to tell pieces and holes; None where it has none."""
        return None
