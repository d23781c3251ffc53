"""Where the randomness of a face's points comes from."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

ALL_DRAWS = 2**40  # no draw has this number


@dataclass(frozen=True)
class Stream:
    """The draws of one face: a pure function of these and of a draw's number.

    Args:
        seed: Of the whole stream, not negative.
        part: The face's part, such as "interior".
        face: Number of the face in its part.
    """

    seed: int
    part: str
    face: int

    def generator(self, draw: int = ALL_DRAWS) -> np.random.Generator:
        """Random numbers of one draw.

        Args:
            draw: Its number, from 0; by default the numbers are of what all draws have in common.
        """
        # PCG64 by name: numpy may give `default_rng` another generator one day, and change everybody's points.
        return np.random.Generator(np.random.PCG64([self.seed, crc32(self.part.encode()), draw, self.face]))
