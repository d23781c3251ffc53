"""Diagonals of the neural tangent kernels of residuals, for balancers that weigh terms by them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from lightning_autobalance.jacobian import RowJacobians
from lightning_autobalance.shapes import Losses
from lightning_autobalance.step.losses import ByPart, PointFunction
from lightning_autobalance.utils.distributed import sum_over_ranks


def ntk_diagonals(network: nn.Module, residuals: PointFunction, points: ByPart, weights: Mapping[str, float]) -> Losses:
    r"""Mean diagonal of each residual's kernel, :math:`\frac{1}{bk} \sum_{jl} \|\partial r_{i,jl} / \partial w\|^2`.

    Exact: the squares of the rows of the residuals' Jacobian (`RowJacobians`). A fixed weight counts as a factor, since
    it makes the residual that of the root of the weight. Gradients on parameters and random states are left alone.

    Args:
        network: Owns the parameters w that the residuals depend on.
        residuals: Those of the equation.
        points: By part, each (b, d).
        weights: Fixed weights by term; 1 where a term has none.

    Returns:
        One number per term, (m,).
    """
    params = [p for p in network.parameters() if p.requires_grad]
    with torch.inference_mode(False), _random_state_kept(network):
        found, jacobian = RowJacobians(network)(residuals, points, params)
    squares = torch.split(jacobian.row_squares(), [residual.numel() for residual in found.values()])
    sums = torch.stack([some.sum() for some in squares])
    counts = torch.tensor([float(residual.numel()) for residual in found.values()]).to(sums)
    means = sum_over_ranks(sums) / sum_over_ranks(counts)
    return torch.stack([weights.get(term, 1.0) * mean for term, mean in zip(found, means, strict=True)])


@contextmanager
def _random_state_kept(module: nn.Module) -> Iterator[None]:
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)):
        yield
