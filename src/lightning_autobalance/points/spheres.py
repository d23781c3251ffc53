"""Uniform directions: points of the unit sphere, as images of a cube."""

from math import gamma, pi

import torch
from torch import Tensor

EDGE = 1e-12  # keeps the inverse of the normal distribution finite


def direction_dim(d: int) -> int:
    """Dimension of the cube that `directions` maps: d - 1 up to three dimensions, d beyond."""
    return d - 1 if d <= 3 else d


def directions(unit: Tensor, d: int) -> Tensor:
    """Unit vectors, uniform over the sphere where the points are uniform over the cube.

    Up to three dimensions by angles, with as many coordinates as the sphere has dimensions; beyond, by normalized
    Gaussian numbers.

    Args:
        unit: Points of the cube, (n, direction_dim(d)).
        d: Number of dimensions; in one, the only direction is +1.

    Returns:
        (n, d).
    """
    if d == 1:
        return unit.new_ones(len(unit), 1)
    if d == 2:
        angle = 2 * pi * unit[:, 0]
        return torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
    if d == 3:
        z, angle = 1 - 2 * unit[:, 0], 2 * pi * unit[:, 1]
        across = torch.sqrt((1 - z.square()).clamp(min=0.0))
        return torch.stack([across * torch.cos(angle), across * torch.sin(angle), z], dim=1)
    gauss = torch.special.ndtri(unit.clamp(EDGE, 1 - EDGE))
    gauss[(gauss == 0).all(dim=1), 0] = 1.0  # the middle of the cube, a point of grids, has no direction
    return torch.nn.functional.normalize(gauss, dim=1)


def ball_volume(d: int, radius: float = 1.0) -> float:
    """Length, area or volume of a ball in d dimensions."""
    return float(pi ** (d / 2) / gamma(d / 2 + 1) * radius**d)
