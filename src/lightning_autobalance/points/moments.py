"""Rules of integration whose nodes are found by rejection: weights that are right for polynomials."""

from collections.abc import Sequence
from itertools import product

import torch
from scipy.stats import qmc
from torch import Tensor

from lightning_autobalance.points.face import Face, accepted

TRIALS = 2**16  # places that give the mean of a polynomial where it has no closed form
PER_NODE = 0.125  # polynomials; few, so that weights stay positive
MOST = 100  # polynomials
Exponents = Sequence[tuple[int, ...]]
Edge = tuple[Tensor, Tensor]


def fitted(face: Face, count: int, edge: Edge | None = None) -> tuple[Tensor, Tensor]:
    r"""Nodes spread evenly over a face, and the weights nearest to equal ones that integrate polynomials.

    Args:
        face: Its points may be rejected.
        count: How many nodes.
        edge: Of a planar face, nodes on its boundary, (m, 2), and their weights times the first components of the
            normals, (m,): then integrals of polynomials are exact, by Gauss and Green; otherwise as by 65,536 trials.

    Returns:
        The nodes, (n, d), and their weights, (n,); none of a face that accepts no point.
    """
    candidates = min(max(TRIALS, int(2 * count / face.rate)), 16 * TRIALS)
    unit = torch.from_numpy(qmc.Halton(face.dim, scramble=False).random(candidates + 1)[1:])
    points = face.points(unit)
    points = points[accepted(points)]
    nodes = points[:count]
    if not len(nodes):
        return nodes, nodes.new_zeros(0)
    low, high = points.min(dim=0).values, points.max(dim=0).values
    exponents = _exponents(points.shape[1], min(MOST, max(1, int(PER_NODE * len(nodes)))))
    means = None if edge is None else _means_by_green(edge, face.measure, exponents, low, high)
    if means is None:
        means = _polynomials(points, exponents, low, high).mean(dim=0)
    at_nodes = _polynomials(nodes, exponents, low, high)
    change = torch.linalg.lstsq(at_nodes.T, (means - at_nodes.mean(dim=0))[:, None], driver="gelsd").solution[:, 0]
    return nodes, face.measure * (1 / len(nodes) + change)


def _exponents(d: int, most: int) -> Exponents:
    """Of all polynomials up to the largest degree that has no more of them."""
    found: Exponents = [(0,) * d]
    degree = 1
    while len(larger := [e for e in product(range(degree + 1), repeat=d) if sum(e) <= degree]) <= most:
        found, degree = larger, degree + 1
    return found


def _legendre(x: Tensor, most: int, low: Tensor, high: Tensor) -> Tensor:
    """Legendre polynomials up to a degree of each coordinate between bounds, (degrees, n, d)."""
    scaled = 2 * (x - low) / torch.where(high > low, high - low, 1.0) - 1
    found = [torch.ones_like(scaled), scaled]
    for k in range(1, most):
        found.append(((2 * k + 1) * scaled * found[k] - k * found[k - 1]) / (k + 1))
    return torch.stack(found)


def _polynomials(x: Tensor, exponents: Exponents, low: Tensor, high: Tensor) -> Tensor:
    """(n, polynomials)."""
    by_degree = _legendre(x, max(map(max, exponents)), low, high)
    columns = [torch.stack([by_degree[k, :, i] for i, k in enumerate(e)]).prod(dim=0) for e in exponents]
    return torch.stack(columns, dim=1)


def _means_by_green(edge: Edge, area: float, exponents: Exponents, low: Tensor, high: Tensor) -> Tensor | None:
    """Means of polynomials over a planar domain, from its boundary; None where the area does not come out right."""
    x, across = edge
    p = _legendre(x, max(map(max, exponents)) + 1, low, high)
    half = (high - low)[0] / 2
    columns = []
    for k, m in exponents:
        integrated = p[1, :, 0] if k == 0 else (p[k + 1, :, 0] - p[k - 1, :, 0]) / (2 * k + 1)
        columns.append(half * (across * integrated * p[m, :, 1]).sum())
    found = torch.stack(columns) / area
    return found if abs(float(found[exponents.index((0, 0))]) - 1) < 1e-8 else None
