"""Points of a part of a domain, from a sampler and a seed."""

from zlib import crc32

import numpy as np
import torch

from lightning_autobalance.points.domain import Array, Domain, Face
from lightning_autobalance.points.samplers import Sampler
from lightning_autobalance.utils.arguments import check_at_least


def sample(domain: Domain, part: str, count: int, sampler: Sampler, seed: int, draw: int) -> Array:
    """Draw points of a part: a pure function of its arguments.

    Args:
        domain: The domain.
        part: Name of the part, such as "interior".
        count: Number of points, divided evenly among the faces of the part; the first faces take the remainder.
        sampler: How the points are spread over a face.
        seed: Seed of the run, >= 0.
        draw: Number of the draw, from 0.

    Returns:
        (count, d).

    Raises:
        ValueError: If there is no such part, ``count`` is not positive, ``seed`` or ``draw`` is negative, or the
            sampler cannot draw the count that falls to a face.
    """
    for name, number in {"seed": seed, "draw": draw}.items():
        check_at_least(name, number, 0)
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
    """The faces of a part, each with its number of points.

    Args:
        domain: The domain.
        part: Name of the part, such as "interior".
        count: Number of points, divided evenly; the first faces take the remainder.

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
