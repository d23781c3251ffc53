"""Random Fourier features."""

from math import pi
from typing import Any

import pytest
import torch

from lightning_autobalance.nets import MLP, FourierFeatures


def test_features_by_hand() -> None:
    net = FourierFeatures(2, 1, [3], waves=1).double()
    net.frequencies.copy_(torch.tensor([[1.0, 0.5]]))
    seen: list[torch.Tensor] = []
    net.net.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    net(torch.tensor([[0.25, 0.5], [1.0, 0.0]], dtype=torch.float64))
    expected = torch.tensor([[-1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)  # half a period, a whole one
    torch.testing.assert_close(seen[0], expected, rtol=0, atol=1e-14)


def test_it_is_the_formula() -> None:
    torch.manual_seed(0)
    net = FourierFeatures(2, 2, [5], [1.0, 3.0], 4)
    x = torch.rand(6, 2)
    z = 2 * pi * x @ net.frequencies.T
    assert z.shape == (6, 8)
    torch.testing.assert_close(net(x), net.net(torch.cat([z.cos(), z.sin()], dim=1)))


def test_scales_are_standard_deviations() -> None:
    torch.manual_seed(0)
    net = FourierFeatures(2, 1, [3], [0.5, 4.0], 2000)
    low, high = net.frequencies.split(2000)
    assert low.std().item() == pytest.approx(0.5, rel=0.05)
    assert high.std().item() == pytest.approx(4.0, rel=0.05)


def test_frequencies_are_kept_but_not_trained() -> None:
    net = FourierFeatures(hidden=[3])
    assert "frequencies" in net.state_dict()
    assert "frequencies" not in dict(net.named_parameters())
    assert isinstance(net.net, MLP)
    assert net.net[0].in_features == 50


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": []}, r"`scales` must be one or more numbers > 0, got \[\]"),
        ({"scales": [1.0, -2.0]}, r"`scales` must be one or more numbers > 0, got \[1.0, -2.0\]"),
        ({"scales": [float("nan")]}, "`scales` must be one or more numbers > 0"),
        ({"waves": 0}, "`waves` must be >= 1, got 0"),
        ({"activation": "relu"}, "`activation` must be one of"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FourierFeatures(**options)
