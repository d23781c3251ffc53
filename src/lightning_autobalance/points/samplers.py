"""How points are spread over a unit cube."""

from abc import ABC, abstractmethod
from typing import final

import numpy as np
import torch
from scipy.stats import qmc
from torch import Tensor

from lightning_autobalance.points.domain import Array
from lightning_autobalance.points.split_mix import uniform
from lightning_autobalance.points.streams import Stream


class Sampler(ABC):
    """Spreads points over a unit cube; its randomness comes from the generator that it is handed."""

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

    def unit(self, count: int, dim: int, stream: Stream, draw: int) -> Tensor:
        """Points of a face's cube.

        Args:
            count: How many.
            dim: Of the cube; 0 is a single point.
            stream: Of the face.
            draw: Number of the draw, from 0.

        Returns:
            In [0, 1), (count, dim), float64, on the CPU.
        """
        return torch.from_numpy(self(count, dim, stream.generator(draw)))

    @abstractmethod
    def _draw(self, count: int, dim: int, rng: np.random.Generator) -> Array:
        """Draw points in a cube of at least one dimension."""


@final
class Uniform(Sampler):
    """Independent and uniform."""

    def _draw(self, count: int, dim: int, rng: np.random.Generator) -> Array:
        return rng.random((count, dim))


@final
class DeviceUniform(Sampler):
    """Independent and uniform, by operations of torch: drawn where the module is, also in a captured step.

    Coordinate by coordinate, draw number n is the n-th output of a SplitMix64 generator of its own, whose seed comes
    from the generator that other samplers take their points from.
    """

    def unit(self, count: int, dim: int, stream: Stream, draw: int) -> Tensor:
        """Points of a face's cube, a function of the draw's number with seeds that stay.

        Args:
            count: How many.
            dim: Of the cube; 0 is a single point.
            stream: Of the face.
            draw: Number of the draw, from 0.

        Returns:
            In [0, 1), (count, dim), float64, on the CPU.
        """
        return uniform(self.seeds(count, dim, stream.generator()), torch.tensor(draw, device="cpu"))

    @staticmethod
    def seeds(count: int, dim: int, rng: np.random.Generator) -> Tensor:
        """Of the generators that give the coordinates.

        Args:
            count: How many points.
            dim: Of the cube.
            rng: Source of randomness.

        Returns:
            (count, dim), int64, on the CPU.
        """
        info = np.iinfo(np.int64)
        return torch.from_numpy(rng.integers(info.min, info.max, (count, dim), endpoint=True))

    def _draw(self, count: int, dim: int, rng: np.random.Generator) -> Array:
        points: Array = uniform(self.seeds(count, dim, rng), torch.tensor(0, device="cpu")).numpy()
        return points


@final
class Grid(Sampler):
    """Midpoints of a regular grid; the count must be a square, cube, ... for a face of 2, 3, ... dimensions.

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
