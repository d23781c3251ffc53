"""The fuzzy network: the rules' values, their layouts, the scaling."""

from math import exp, sqrt
from typing import Any

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.nets import FuzzyNet
from lightning_autobalance.nets.fuzzy import FuzzyRules


def rules(layout: Any, centers: list[float], count: int) -> FuzzyRules:
    made = FuzzyRules(len(centers) // count, count, layout).double()
    with torch.no_grad():
        made.centers.copy_(torch.tensor(centers, dtype=torch.float64))
    return made


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("official", [0.7710515858, 0.5040902296, 0.904837418, 0.2996919995]),
        ("intended", [0.6890096516, 0.6753663464, 0.5641133909, 0.4015191703]),
    ],
)
def test_known_values(layout: str, expected: list[float]) -> None:
    made = rules(layout, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], 4)
    found = made(torch.tensor([[0.5, -0.25]], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([expected], dtype=torch.float64), rtol=0, atol=1e-9)


def slow_official(x: Tensor, centers: Tensor, widths: Tensor, count: int) -> Tensor:
    """Coordinates repeated over all slots, then the slots as a table (d, R), multiplied along d."""
    tiled = x.repeat(1, count)
    memberships = torch.exp(-(((tiled - centers) / widths) ** 2))
    return memberships.view(len(x), x.shape[1], count).prod(dim=1)


def slow_intended(x: Tensor, centers: Tensor, widths: Tensor, count: int) -> Tensor:
    table = torch.exp(-(((x[:, None] - centers.view(count, -1)) / widths.view(count, -1)) ** 2))
    return table.prod(dim=2)


@pytest.mark.parametrize(("layout", "slow"), [("official", slow_official), ("intended", slow_intended)])
@pytest.mark.parametrize(("d", "count"), [(2, 4), (2, 3), (3, 2), (1, 5)])
def test_a_slow_reference(layout: Any, slow: Any, d: int, count: int) -> None:
    torch.manual_seed(0)
    made = FuzzyRules(d, count, layout).double()
    nn.init.normal_(made.log_widths, std=0.3)
    x = torch.randn(5, d, dtype=torch.float64)
    torch.testing.assert_close(made(x), slow(x, made.centers, made.log_widths.exp(), count))


def test_a_width_widens_its_rule() -> None:
    made = rules("intended", [0.0, 0.0], 1)
    with torch.no_grad():
        made.log_widths[0] = torch.log(torch.tensor(2.0))
    found = made(torch.tensor([[1.0, 3.0]], dtype=torch.float64))
    assert found.item() == pytest.approx(exp(-1 / 4 - 9))


def test_the_start() -> None:
    torch.manual_seed(0)
    made = [FuzzyRules(2, 4) for _ in range(300)]
    centers, bound = torch.cat([m.centers for m in made]), sqrt(6 / 9)
    assert torch.equal(made[0].log_widths.exp(), torch.ones(8))
    assert centers.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert centers.std().item() == pytest.approx(bound / sqrt(3), rel=0.05)


def test_the_network_is_a_linear_layer_on_tanh_layers_and_rules() -> None:
    torch.manual_seed(0)
    net = FuzzyNet(2, 3, [7, 5], head=4, rules=6)
    assert [type(layer).__name__ for layer in net.trunk] == ["Linear", "Tanh"] * 3
    assert [layer.out_features for layer in net.trunk[::2]] == [7, 5, 4]
    x = torch.randn(5, 2)
    (last,) = net.last
    expected = torch.cat([net.trunk(x), net.rules(x)], dim=1) @ last.weight.T + last.bias
    torch.testing.assert_close(net(x), expected)
    assert net(x).shape == (5, 3)


def test_the_benchmarks_network_has_its_parameters() -> None:
    trunk, rule_numbers, last = 5250 + 510, 16, 15
    assert sum(p.numel() for p in FuzzyNet().parameters()) == trunk + rule_numbers + last


def test_bounds_scale_to_the_cube() -> None:
    torch.manual_seed(0)
    net = FuzzyNet(2, 1, [4], bounds=[(-3.0, 3.0), (0.0, 1.0)]).double()
    x = torch.tensor([[-3.0, 0.0], [3.0, 1.0], [0.0, 0.5], [1.5, 0.25]], dtype=torch.float64)
    cube = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0], [0.5, -0.5]], dtype=torch.float64)
    scaled = net(x)
    net.scale = nn.Identity()
    torch.testing.assert_close(scaled, net(cube), rtol=1e-14, atol=1e-14)


def test_init_is_passed_on() -> None:
    biases = [bool(layer.bias.any()) for layer in (FuzzyNet(init="default").trunk[0], FuzzyNet().trunk[0])]
    assert biases == [True, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": 0}, "`head` must be >= 1, got 0"),
        ({"rules": 0}, "`rules` must be >= 1, got 0"),
        ({"hidden": [0]}, "`hidden` and `out_features` must be >= 1"),
        ({"bounds": [(0.0, 1.0)]}, "`bounds` must be 2 pairs, one per coordinate, got 1"),
        ({"bounds": [(0.0, 1.0), (1.0, 1.0)]}, r"`bounds` must be pairs of a lower and a higher number, got \(1.0, 1"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FuzzyNet(**options)


def test_an_unknown_layout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # its check of the annotation would come first
    with pytest.raises(ValueError, match="`layout` must be 'intended' or 'official', got 'other'"):
        FuzzyRules(2, 4, "other")  # type: ignore[arg-type]
