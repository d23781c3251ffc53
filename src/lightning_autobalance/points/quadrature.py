"""Nodes and weights of integrals over a part of a domain."""

from math import isfinite

import numpy as np
import torch
from torch import Tensor

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.extended import Extended
from lightning_autobalance.points.face import Face, accepted
from lightning_autobalance.utils.arguments import check_at_least


def quadrature(domain: Domain, part: str, count: int) -> tuple[Tensor, Tensor]:
    r"""Nodes :math:`x_q` and weights :math:`w_q` with :math:`\int f \approx \sum_q w_q f(x_q)`, by Gauss and Legendre.

    Args:
        domain: In space; of one with time or parameters, its space is taken.
        part: The part that is integrated over.
        count: About how many nodes.

    Returns:
        The nodes, (n, d), and the weights, (n,), in float64. Where a face is found by rejection, the nodes that
        are kept share its measure.

    Raises:
        ValueError: If there is no such part in space, ``count`` is not positive, or a face has no known measure.
    """
    check_at_least("count", count, 1)
    while isinstance(domain, Extended):
        part, domain = domain._aliases.get(part, part), domain.base
    faces = domain.faces(part)
    found = [_on_face(face, part, count / len(faces)) for face in faces]
    return torch.cat([nodes for nodes, _ in found]), torch.cat([weights for _, weights in found])


def _on_face(face: Face, part: str, count: float) -> tuple[Tensor, Tensor]:
    if not isfinite(face.measure):
        raise ValueError(f"`part` must have faces of known `measure` to be integrated over, got {part!r}.")
    along = max(2, round((count / face.rate) ** (1 / face.dim))) if face.dim else 1
    places, shares = np.polynomial.legendre.leggauss(along)
    axes = np.meshgrid(*[(places + 1) / 2] * face.dim, indexing="ij")
    factors = np.meshgrid(*[shares / 2] * face.dim, indexing="ij")
    unit = torch.from_numpy(np.stack([*map(np.ravel, axes)], axis=1) if face.dim else np.zeros((1, 0)))
    weights = torch.from_numpy(np.prod([*map(np.ravel, factors)], axis=0) if face.dim else np.ones(1))
    nodes = face.points(unit)
    kept = accepted(nodes)
    if not kept.any():
        raise ValueError(
            f"`count` must put nodes on every face of {part!r}, got {count:g}, none kept. Take a larger one."
        )
    return nodes[kept], weights[kept] * (face.measure / weights[kept].sum())
