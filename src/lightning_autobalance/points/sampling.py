"""From a domain, a sampler and a seed to points."""

from zlib import crc32

import numpy as np

from lightning_autobalance.points.domain import Array, Domain
from lightning_autobalance.points.samplers import Sampler


def sample(domain: Domain, part: str, count: int, sampler: Sampler, seed: int, draw: int) -> Array:
    """Draw points of a part.

    A pure function of its arguments: ``seed`` and ``draw`` are all the state there is.

    Args:
        domain: Where.
        part: Its part, such as "interior".
        count: How many; spread evenly over the part's faces, the first faces taking what is left.
        sampler: How they are spread over a face.
        seed: Of the whole stream.
        draw: Number of the draw in the stream.

    Returns:
        (count, d).

    Raises:
        ValueError: If there is no such part, or ``count`` is not positive.
    """
    if count < 1:
        raise ValueError(f"`points` of {part!r} must be >= 1, got {count}.")
    faces = domain.faces(part)
    each, left = divmod(count, len(faces))
    places = []
    for i, face in enumerate(faces):
        n = each + (i < left)
        if n:
            rng = np.random.default_rng([seed, crc32(part.encode()), draw, i])
            places.append(face.place(sampler(n, face.dim, rng)))
    return np.concatenate(places)
