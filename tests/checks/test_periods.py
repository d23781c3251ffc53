"""Periods of networks against the extents of domains."""

import warnings
from math import pi
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lightning_autobalance.checks.periods import check_periods
from lightning_autobalance.field import NeuralField
from lightning_autobalance.nets import MLP, Parallel, Periodic, Transformed, ZeroAtStart
from lightning_autobalance.points import Interval, TimeCylinder


class Ring(NeuralField):
    domain = TimeCylinder(Interval(-pi, pi), (0, 1))


class Scaled(Ring):
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x / pi)


def periodic(period: float | None, other: float | None = None) -> Periodic:
    return Periodic(MLP(3 + (other is not None), 1, [4]), [period, other])


AROUND: dict[str, Any] = {
    "alone": lambda net: net,
    "hard": lambda net: Transformed(Transformed(net, ZeroAtStart()), offset=torch.sin),
    "beside": lambda net: Parallel([MLP(2, 1), net]),
    "first": lambda net: nn.Sequential(net, nn.Tanh()),
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("period", [2 * pi, pi, 6.283185307])
def test_periods_that_fit(around: str, period: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_periods(Ring(AROUND[around](periodic(period))))


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("period", [1.0, 6.28, 4 * pi])
def test_periods_that_do_not_fit(around: str, period: float) -> None:
    message = rf"`periods` should divide the extent of the domain, 6.28318531 along x, got {period:.9g}: the fields on"
    with pytest.warns(UserWarning, match=message):
        check_periods(Ring(AROUND[around](periodic(period))))


def test_layers_that_do_not_see_the_coordinates_are_left_alone() -> None:
    check_periods(Ring(nn.Sequential(nn.Linear(2, 2), periodic(1.0))))
    check_periods(Scaled(periodic(2.0)))


def test_too_many_periods() -> None:
    net = Periodic(MLP(4, 1), [2 * pi, None, None])
    with pytest.raises(
        MisconfigurationException, match=r"`periods` must be one for each coordinate, \('x', 't'\), or null"
    ):
        check_periods(Ring(net))
