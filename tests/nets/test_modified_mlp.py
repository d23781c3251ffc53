"""The network gated by two encoders."""

from typing import Any

import pytest
import torch

from lightning_autobalance.nets import ModifiedMLP


def test_it_is_the_formula() -> None:
    torch.manual_seed(0)
    net = ModifiedMLP(2, 3, [6, 6, 6]).double()
    x = torch.randn(5, 2, dtype=torch.float64)
    u, v, h = net.first_encoder(x), net.second_encoder(x), net.first(x)
    gates = list(net.gates)
    assert len(gates) == 2
    for gate in gates:
        z = torch.tanh(h @ gate[0].weight.T + gate[0].bias)
        h = (1 - z) * u + z * v
    torch.testing.assert_close(net(x), net.last(h), rtol=1e-13, atol=1e-13)


def test_its_encoders_differ_and_everything_is_trained() -> None:
    torch.manual_seed(0)
    net = ModifiedMLP(2, 1, [50, 50, 50])
    assert not torch.equal(net.first_encoder[0].weight, net.second_encoder[0].weight)
    assert sum(p.numel() for p in net.parameters()) == 5301 + 2 * 150
    net(torch.rand(3, 2)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": [5, 6]}, r"`hidden` must be one or more equal widths, got \[5, 6\]"),
        ({"hidden": []}, r"`hidden` must be one or more equal widths, got \[\]"),
        ({"hidden": [0, 0]}, "must be >= 1"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModifiedMLP(**options)
