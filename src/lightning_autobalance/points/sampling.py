"""Points of a part of a domain, from a sampler and a seed."""

from collections.abc import Callable
from functools import partial
from math import ceil, inf
from zlib import crc32

import numpy as np
import torch

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.face import Face, accepted
from lightning_autobalance.points.finite import distinct
from lightning_autobalance.points.rounding import Array
from lightning_autobalance.points.samplers import Sampler
from lightning_autobalance.utils.arguments import check_at_least

MOST = 10**8  # candidates for one face


def sample(domain: Domain, part: str, count: int, sampler: Sampler, seed: int, draw: int) -> Array:
    """Draw points of a part: a pure function of its arguments.

    Args:
        domain: The domain.
        part: Name of the part, such as "interior".
        count: Number of points, divided among the faces of the part by their weights: evenly for the sides of a box,
            by length or area for other shapes.
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
                places.append(_points_of(face, n, sampler, partial(_generator, seed, part, i, draw)))
            except ValueError as error:
                raise ValueError(f"`points` of {part!r}, {count} over {len(shares)} face(s): {error}") from error
    return np.concatenate(places)


def _points_of(face: Face, count: int, sampler: Sampler, generator: Callable[[], np.random.Generator]) -> Array:
    if face.size is not None:
        if count > face.size:
            raise ValueError(f"it has only {face.size} points, of which none is drawn twice.")
        index = distinct(sampler(count, 1, generator())[:, 0], face.size)
        chosen: Array = face.points(torch.from_numpy((index[:, None] + 0.5) / face.size)).numpy()
        return chosen
    if face.rate == 1.0:
        points: Array = face.points(torch.from_numpy(sampler(count, face.dim, generator()))).numpy()
        return points
    tried = ceil(1.05 * count / face.rate) + 8
    while tried <= MOST:  # from the start each time, so that the points do not depend on the guess
        unit = torch.from_numpy(sampler(sampler.at_least(tried, face.dim), face.dim, generator()))
        found = face.points(unit)
        found = found[accepted(found)]
        if len(found) >= count:
            kept: Array = sampler.kept(found.numpy(), count)
            return kept
        tried *= 2
    raise ValueError(f"fewer than {count} of {MOST:,} candidates were accepted: it fills too little of its bounds.")


def most_points(domain: Domain, part: str) -> float:
    """The largest number of points that can be drawn: infinity but for parts that are finite sets.

    Raises:
        ValueError: If there is no such part.
    """
    return sum(inf if face.size is None else face.size for face in domain.faces(part))


def shared_out(domain: Domain, part: str, count: int) -> list[tuple[Face, int]]:
    """The faces of a part, each with its number of points.

    Args:
        domain: The domain.
        part: Name of the part, such as "interior".
        count: Number of points, divided by the faces' weights; the first faces take the remainder of equal ones.

    Raises:
        ValueError: If there is no such part, or ``count`` is not positive.
    """
    if count < 1:
        raise ValueError(f"`points` of {part!r} must be >= 1, got {count}.")
    faces = domain.faces(part)
    weights = np.array([face.weight for face in faces])
    wanted = count * (weights / weights.sum())
    floors = np.floor(wanted + 1e-9)
    left = count - int(floors.sum())
    last = np.argsort(floors - wanted, kind="stable")[:left]  # the largest remainders, the first of equal ones
    floors[last] += 1
    return [(face, int(n)) for face, n in zip(faces, floors, strict=True)]


def _generator(seed: int, part: str, face: int, draw: int) -> np.random.Generator:
    # PCG64 by name: numpy may give `default_rng` another generator one day, and change everybody's points.
    return np.random.Generator(np.random.PCG64([seed, crc32(part.encode()), draw, face]))
