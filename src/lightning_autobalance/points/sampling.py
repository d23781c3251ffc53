"""From a domain, a sampler and a seed to points."""

from zlib import crc32

import numpy as np
import torch

from lightning_autobalance.points.domain import Array, Domain, Face
from lightning_autobalance.points.samplers import Sampler


def sample(domain: Domain, part: str, count: int, sampler: Sampler, seed: int, draw: int) -> Array:
    """Draw points of a part.

    A pure function of its arguments: ``seed`` and ``draw`` are all the state there is.

    Args:
        domain: Where.
        part: Its part, such as "interior".
        count: How many; spread evenly over the part's faces, the first faces taking what is left.
        sampler: How they are spread over a face.
        seed: Of the whole stream, not negative.
        draw: Number of the draw in the stream, from 0.

    Returns:
        (count, d).

    Raises:
        ValueError: If there is no such part, ``count`` is not positive, ``seed`` or ``draw`` is negative, or the
            sampler cannot draw the count that falls to a face.
    """
    for name, number in {"seed": seed, "draw": draw}.items():
        if number < 0:
            raise ValueError(f"`{name}` must be >= 0, got {number}.")
    shares, places = shared_out(domain, part, count), []
    for i, (face, n) in enumerate(shares):
        if n:
            try:
                unit = sampler(n, face.dim, _generator(seed, part, i, draw))
                places.append(face.points(torch.from_numpy(unit)))
            except ValueError as error:
                raise ValueError(f"`points` of {part!r}, {count} over {len(shares)} face(s): {error}") from error
    points: Array = torch.cat(places).numpy()
    return points


def shared_out(domain: Domain, part: str, count: int) -> list[tuple[Face, int]]:
    """How many points fall to each face of a part.

    Args:
        domain: Where.
        part: Its part, such as "interior".
        count: How many there are in all; the first faces take what is left.

    Raises:
        ValueError: If there is no such part, or ``count`` is not positive.
    """
    if count < 1:
        raise ValueError(f"`points` of {part!r} must be >= 1, got {count}.")
    faces = domain.faces(part)
    each, left = divmod(count, len(faces))
    return [(face, each + (i < left)) for i, face in enumerate(faces)]


def _generator(seed: int, part: str, face: int, draw: int) -> np.random.Generator:
    # PCG64 by name: numpy may give `default_rng` another generator one day, and change everybody's points.
    return np.random.Generator(np.random.PCG64([seed, crc32(part.encode()), draw, face]))
