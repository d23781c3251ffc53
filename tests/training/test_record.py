"""Classes and arguments of a run's parts as plain values."""

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR, LinearLR, SequentialLR

from helpers.optimizers import parameter
from helpers.toys import Decay
from lightning_autobalance import optim
from lightning_autobalance.balancing import ConFIG
from lightning_autobalance.nets import MLP
from lightning_autobalance.optim import AutoAdamW, AutoBalance
from lightning_autobalance.points import Disk, Interval, Rectangle
from lightning_autobalance.training.hyperparameters import is_plain
from lightning_autobalance.training.record import (
    describe,
    describe_domain,
    describe_modules,
    describe_optimizer,
    describe_scheduler,
    difference,
    make_record,
    remake,
)


class Net(nn.Module):
    """An activation as a function, an argument, and a count that is not one."""

    def __init__(self, activation: Any = torch.sin, scale: float = 1.0) -> None:
        super().__init__()
        self.activation = activation
        self.scale = scale
        self.calls = 0
        self.layer = nn.Linear(1, 1)


def test_arguments_and_functions_are_described_and_counts_are_not() -> None:
    assert describe(Net()) == {"class": "Net", "arguments": {"activation": "sin()", "scale": 1.0}}
    assert describe(nn.Softplus(beta=2)) == {"class": "Softplus", "arguments": {"beta": 2, "threshold": 20}}


def test_differences_are_found_by_name() -> None:
    tanh, sin = (describe_modules(MLP(1, 1, [4], activation=name)) for name in ("tanh", "sin"))
    assert difference(tanh, sin, "net") == ("net.1", "Tanh", "Sin")
    assert difference(tanh, tanh, "net") is None
    one, other = describe_modules(Net(scale=1.0)), describe_modules(Net(scale=2.0))
    assert difference(one, other, "net") == ("net.scale", "1.0", "2.0")
    assert difference(one, other, "net", arguments=False) is None
    assert difference(one, describe_modules(Net(torch.tanh)), "net") == ("net.activation", "sin()", "tanh()")
    assert difference(tanh, {}, "net") == ("net", "MLP", "nothing")
    del other[""]["arguments"]["scale"]  # a version with fewer arguments
    assert difference(one, other, "net") is None
    listed, tupled = ({"": {"class": "A", "arguments": {"a": a}}} for a in ([1, {"b": [2]}], (1, {"b": (2,)})))
    assert difference(listed, tupled, "a") is None


def test_domains() -> None:
    one = {"": describe_domain(Interval(0.0, 1.0))}
    assert difference(one, {"": describe_domain(Interval(0.0, 2.0))}, "domain") == (
        "domain.bounds",
        "[[0.0, 1.0]]",
        "[[0.0, 2.0]]",
    )
    square, disk = describe_domain(Rectangle((0, 1), (0, 1))), describe_domain(Disk((0.5, 0.5), 0.5))
    assert difference({"": square}, {"": disk}, "domain") == ("domain", "Rectangle", "Disk")


def test_optimizers_are_made_again() -> None:
    for optimizer in (
        AutoAdamW([parameter(1.0)], lr=0.5, combine=[1.0, 2.0]),
        torch.optim.SGD([parameter(1.0)], lr=0.5),
    ):
        entry = describe_optimizer(optimizer)
        assert is_plain(entry)
        make = remake(entry, (torch.optim, optim))
        assert make is not None
        again = make([parameter(1.0)])
        assert type(again) is type(optimizer)
        assert again.defaults == optimizer.defaults
    around = describe_optimizer(AutoBalance([parameter(1.0)], torch.optim.RMSprop, lr=0.5))
    assert around["class"] == "AutoBalance around RMSprop"
    assert remake(around, (torch.optim, optim)) is None
    tensor = describe_optimizer(torch.optim.AdamW([parameter(1.0)], lr=torch.tensor(0.5)))
    assert remake(tensor, (torch.optim, optim)) is None
    for name in ("lr_scheduler", "Optimizers", "multi_adam"):
        assert remake({"class": name, "arguments": {}, "whole": True}, (torch.optim, optim)) is None


def test_schedules() -> None:
    optimizer = torch.optim.SGD([parameter(1.0)], lr=1.0)
    assert describe_scheduler(ExponentialLR(optimizer, 0.9), "step") == "ExponentialLR, stepped once per step"
    both = SequentialLR(optimizer, [LinearLR(optimizer), ExponentialLR(optimizer, 0.9)], [5])
    assert describe_scheduler(both, "epoch") == "SequentialLR of LinearLR, ExponentialLR, stepped once per epoch"


def test_a_record_is_plain() -> None:
    record = make_record(Decay(balancer=ConFIG()), None)
    assert is_plain(record)
    assert record["balancer"][""]["class"] == "ConFIG"
    assert record["variant"][""]["class"] == "MeanSquares"
    assert "optimizers" not in record
