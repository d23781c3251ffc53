"""How points are spread over a unit cube."""

from abc import ABC, abstractmethod
from typing import final

import numpy as np
from scipy.stats import qmc

from lightning_autobalance.points.rounding import Array


class Sampler(ABC):
    """Spreads points over a unit cube; its randomness comes from the generator that it is handed."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "unit" in cls.__dict__:
            raise TypeError(
                f"`unit` of {cls.__name__} was removed and would not be called: write `_draw(self, count, dim, rng)`, "
                "which gets a generator of NumPy for the face and the draw."
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __call__(self, count: int, dim: int, rng: np.random.Generator) -> Array:
        """Draw points.

        Args:
            count: How many.
            dim: Of the cube; 0 is a single point.
            rng: Source of randomness.

        Returns:
            In [0, 1), (count, dim).
        """
        return self._draw(count, dim, rng) if dim else np.zeros((count, 0))

    @abstractmethod
    def _draw(self, count: int, dim: int, rng: np.random.Generator) -> Array:
        """Draw points in a cube of at least one dimension."""

    def at_least(self, count: int, dim: int) -> int:  # noqa: ARG002
        """The smallest number of points, not below ``count``, that can be drawn; for places that reject some."""
        return count

    def kept(self, points: Array, count: int) -> Array:
        """``count`` of the points, (n, d), that a place has not rejected; the first ones, if they are in any order."""
        return points[:count]


@final
class Uniform(Sampler):
    """Independent and uniform."""

    def _draw(self, count: int, dim: int, rng: np.random.Generator) -> Array:
        return rng.random((count, dim))


@final
class Grid(Sampler):
    """Midpoints of a regular grid; the count must be a square, cube, ... for a face of 2, 3, ... dimensions.

    On a face that is found by rejection it is any count: the finest grid that leaves enough points, of which those too
    many are left out evenly.

    Raises:
        ValueError: When it draws another count.
    """

    def _draw(self, count: int, dim: int, rng: np.random.Generator) -> Array:  # noqa: ARG002
        along = round(count ** (1 / dim))
        if along**dim != count:
            below = along - (along**dim > count)
            near = f"{below**dim} or {(below + 1) ** dim}"
            raise ValueError(
                f"`count` of a regular grid in {dim} dimensions must be n**{dim}, got {count}. Try {near}."
            )
        axis = (np.arange(along) + 0.5) / along
        return np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim)

    def at_least(self, count: int, dim: int) -> int:
        """The next whole power."""
        along = round(count ** (1 / dim))
        return int((along + (along**dim < count)) ** dim)

    def kept(self, points: Array, count: int) -> Array:
        """Evenly chosen ones."""
        return points[np.arange(count) * len(points) // count]


@final
class LatinHypercube(Sampler):
    """One point in each of ``count`` slices along every axis (scipy's ``qmc.LatinHypercube``)."""

    def _draw(self, count: int, dim: int, rng: np.random.Generator) -> Array:
        points: Array = qmc.LatinHypercube(dim, rng=rng).random(count)
        return points


@final
class Sobol(Sampler):
    """Scrambled Sobol points (scipy's ``qmc.Sobol``), the first ``count`` of the next power of two."""

    def _draw(self, count: int, dim: int, rng: np.random.Generator) -> Array:
        points: Array = qmc.Sobol(dim, scramble=True, rng=rng).random_base2(max(count - 1, 0).bit_length())
        return points[:count]
