"""The plain sum."""

import torch

from helpers.balancing import view_of
from lightning_autobalance.balancing import EqualWeights


def test_every_term_has_weight_one() -> None:
    view = view_of([[1.0, 0.0], [-1.0, 2.0], [0.0, 1e6]])
    assert torch.equal(EqualWeights()(view), torch.ones(3, dtype=torch.float64))
