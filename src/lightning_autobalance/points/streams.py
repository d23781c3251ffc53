"""The random generators of a face's points."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

ALL_DRAWS = 2**40  # no draw has this number


@dataclass(frozen=True)
class Stream:
    """The random numbers of one face, a pure function of these fields and of the number of the draw.

    Args:
        seed: Seed of the run, >= 0.
        part: Name of the part, such as "interior".
        face: Index of the face in its part, from 0.
    """

    seed: int
    part: str
    face: int

    def generator(self, draw: int = ALL_DRAWS) -> np.random.Generator:
        """A fresh generator of one draw.

        Args:
            draw: Number of the draw, from 0; by default the generator that all draws share.
        """
        # PCG64 by name: numpy may give `default_rng` another generator one day, and change everybody's points.
        return np.random.Generator(np.random.PCG64([self.seed, crc32(self.part.encode()), draw, self.face]))
