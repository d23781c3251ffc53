"""Unknown parameters are those of the module itself, in their own units."""

import pytest
import torch
from torch import nn

from helpers.toys import Decay
from lightning_autobalance.balancing import GradNorm
from lightning_autobalance.nets.bounded import Bounded
from lightning_autobalance.training.unknowns import fill_unknown_, unknowns


class Several(Decay):
    def __init__(self) -> None:
        super().__init__(balancer=GradNorm())
        self.k = nn.Parameter(torch.tensor(0.5))
        self.c = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.field = nn.Parameter(torch.zeros(100))
        self.nu = Bounded(1e-3)
        self.rates = nn.ParameterDict({"a": nn.Parameter(torch.tensor(3.0))})
        self.others = nn.ModuleList([Bounded(0.3, 0, 1)])
        self.coefficient = nn.Linear(1, 1)  # a network


def test_they_are_found_by_themselves() -> None:
    found = {name: float(value) for name, value in unknowns(Several()).items()}
    expected = {"k": 0.5, "c[0]": 1.0, "c[1]": 2.0, "nu": 1e-3, "rates.a": 3.0, "others.0": 0.3}
    assert found == pytest.approx(expected)
    assert unknowns(Decay()) == {}


def test_they_are_copies_without_a_graph() -> None:
    module = Several()
    found = unknowns(module)["k"]
    module.k.data.fill_(9.0)
    assert float(found) == 0.5
    assert not found.requires_grad


def test_they_are_filled_in_their_own_unit() -> None:
    module = Several()
    assert fill_unknown_(module, "k", 2.0)
    assert fill_unknown_(module, "nu", 0.1)
    assert not fill_unknown_(module, "kk", 2.0)
    assert float(unknowns(module)["k"]) == 2.0
    assert float(unknowns(module)["nu"]) == pytest.approx(0.1)
