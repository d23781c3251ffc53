"""Nodes and weights of integrals over a part of a domain."""

from math import isfinite

import numpy as np
import torch
from scipy.special import roots_legendre
from torch import Tensor

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.extended import Extended
from lightning_autobalance.points.face import Face, accepted
from lightning_autobalance.points.moments import fitted
from lightning_autobalance.points.polyline import Polyline
from lightning_autobalance.points.rejection import TRIALS
from lightning_autobalance.utils.arguments import check_at_least

ON_CURVE = 128  # nodes
WHOLE = 1 - 2 / TRIALS  # rate of a face of which no trial was rejected


def quadrature(domain: Domain, part: str, count: int) -> tuple[Tensor, Tensor]:
    r"""Nodes :math:`x_q` and weights :math:`w_q` with :math:`\int f \approx \sum_q w_q f(x_q)`, by Gauss and Legendre.

    Where points are found by rejection, the nodes are spread evenly and their weights integrate polynomials: exactly
    over planar shapes, and as 65,536 trials do over others.

    Args:
        domain: In space; of one with time or parameters, its space is taken.
        part: The part that is integrated over.
        count: About how many nodes.

    Returns:
        The nodes, (n, d), and the weights, (n,), in float64.

    Raises:
        ValueError: If there is no such part in space, ``count`` is not positive, or a face has no known measure.
    """
    check_at_least("count", count, 1)
    while isinstance(domain, Extended):
        part, domain = domain._aliases.get(part, part), domain.base
    faces = [edge for face in domain.faces(part) for edge in _edges(face)]
    inner = domain._own_name(part) == "interior"
    rules = [_on_face(domain, face, part, count / len(faces), inner=inner) for face in faces]
    return torch.cat([nodes for nodes, _ in rules]), torch.cat([weights for _, weights in rules])


def _edges(face: Face) -> tuple[Face, ...]:
    """The straight edges of a face, over whose corners no rule reaches; otherwise itself."""
    if not isinstance(face.place, Polyline):
        return (face,)
    corners = face.place.corners
    lines = [Polyline(corners[i : i + 2]) for i in range(len(corners) - 1)]
    return tuple(Face(1, line, measure=float(line.corners.diff(dim=0).norm())) for line in lines)


def _on_face(domain: Domain, face: Face, part: str, count: float, *, inner: bool) -> tuple[Tensor, Tensor]:
    if not isfinite(face.measure):
        raise ValueError(f"`part` must have faces of known `measure` to be integrated over, got {part!r}.")
    d = len(domain.bounds)
    if face.rate > WHOLE and face.dim <= max(3, d if inner else d - 1):  # a Gaussian direction has one number too many
        nodes, weights = _by_gauss(face, count)
        if accepted(nodes).all():
            return nodes, weights
    nodes, weights = fitted(face, max(2, round(count)), _flux_nodes(domain) if inner and d == 2 else None)
    if not len(nodes):
        raise ValueError(f"`part` must have points to integrate over, got none on a face of {part!r}.")
    return nodes, weights


def _flux_nodes(domain: Domain) -> tuple[Tensor, Tensor] | None:
    """Nodes on a boundary made of curves, and their weights times the normals' first components; None of any other."""
    faces = domain.faces("boundary")
    if any(face.dim != 1 or face.size is not None for face in faces):
        return None
    nodes, weights = quadrature(domain, "boundary", ON_CURVE * len(faces))
    try:
        return nodes, weights * domain.normal(nodes)[:, 0]
    except NotImplementedError:  # of a domain of one's own, which may lack `distance`
        return None


def _by_gauss(face: Face, count: float) -> tuple[Tensor, Tensor]:
    along = max(2, round(count ** (1 / face.dim))) if face.dim else 1
    places, shares = roots_legendre(along)
    axes = np.meshgrid(*[(places + 1) / 2] * face.dim, indexing="ij")
    factors = np.meshgrid(*[shares / 2] * face.dim, indexing="ij")
    unit = torch.from_numpy(np.stack([*map(np.ravel, axes)], axis=1) if face.dim else np.zeros((1, 0)))
    weights = torch.from_numpy(np.prod([*map(np.ravel, factors)], axis=0) if face.dim else np.ones(1))
    return face.points(unit), weights * face.measure
