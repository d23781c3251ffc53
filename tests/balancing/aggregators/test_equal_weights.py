"""The plain sum."""

import torch
from torch import nn

from lightning_autobalance.balancing import EqualWeights


def test_value() -> None:
    jacobian = torch.tensor([[1.0, 0.0], [-1.0, 2.0]])
    torch.testing.assert_close(EqualWeights()(jacobian), torch.tensor([0.0, 2.0]))


def test_it_is_the_gradient_of_the_summed_loss() -> None:
    torch.manual_seed(0)
    w = nn.Parameter(torch.randn(5))
    losses = [(w**2).sum(), w.sin().sum(), w.prod()]
    rows = torch.stack([torch.autograd.grad(loss, w, retain_graph=True)[0] for loss in losses])
    torch.testing.assert_close(EqualWeights()(rows), torch.autograd.grad(sum(losses), w)[0])
