"""Networks side by side."""

import pytest
import torch

from lightning_autobalance.nets import MLP, Parallel


def test_fields_stand_side_by_side() -> None:
    a, b = MLP(2, 1, [3]), MLP(2, 2, [4])
    x = torch.rand(5, 2)
    fields = Parallel([a, b])(x)
    assert torch.equal(fields[:, :1], a(x))
    assert torch.equal(fields[:, 1:], b(x))


def test_its_networks_are_trained() -> None:
    assert len(list(Parallel([MLP(1, 1, [2]), MLP(1, 1, [2])]).parameters())) == 8


def test_none_is_refused() -> None:
    with pytest.raises(ValueError, match="`nets` must hold at least one network, got none"):
        Parallel([])
