"""Optimizers that cannot step here, and balancers in front of them."""

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from helpers.checks import refuses
from helpers.toys import Decay
from lightning_autobalance.balancing import DWA, Aggregator, EqualWeights
from lightning_autobalance.checks import check_combination
from lightning_autobalance.checks.optimizer import check_optimizer_argument
from lightning_autobalance.optim import AutoAdamW


class RowSum(Aggregator):
    def forward(self, jacobian: Tensor) -> Tensor:
        return jacobian.sum(dim=0)


def parameters() -> list[Tensor]:
    return [torch.zeros(1, requires_grad=True)]


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ("AutoAdamW", "must make an optimizer from parameters, got the name 'AutoAdamW'"),
        (AutoAdamW([torch.zeros(1, requires_grad=True)]), "got a AutoAdamW object. Give the class"),
        (1e-3, "got a float object. Give the class"),
    ],
)
def test_an_optimizer_that_cannot_be_made(optimizer: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        check_optimizer_argument(optimizer)


@pytest.mark.parametrize("optimizer", [AutoAdamW, partial(AutoAdamW, lr=1e-2), lambda params: AutoAdamW(params)])
def test_what_makes_an_optimizer_is_accepted(optimizer: Any) -> None:
    check_optimizer_argument(optimizer)


@pytest.mark.parametrize(
    ("optimizer", "balancer", "message"),
    [
        (torch.optim.LBFGS, None, "`optimizer` must step once per evaluation of the losses, got LBFGS"),
        (torch.optim.LBFGS, EqualWeights(), "got LBFGS"),
        (AutoAdamW, RowSum(), "`balancer` must be left out with AutoAdamW, got RowSum"),
        (partial(AutoAdamW, combine=[1.0, 2.0, 3.0]), None, r"2 for \['pde', 'data'\], got \[1.0, 2.0, 3.0\]"),
    ],
)
def test_combinations_that_cannot_work(optimizer: Any, balancer: Any, message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        check_combination(optimizer(parameters()), balancer, ("pde", "data"))


@pytest.mark.parametrize(
    ("optimizer", "balancer", "terms"),
    [
        (AutoAdamW, None, ("pde", "data")),
        (partial(AutoAdamW, combine=[1.0, 2.0]), None, ("pde", "data")),
        (partial(AutoAdamW, combine=[1.0, 2.0]), None, ()),  # the terms are not known yet
        (torch.optim.SGD, RowSum(), ("pde", "data")),
        (torch.optim.SGD, DWA(), ("pde", "data")),
    ],
)
def test_combinations_that_work(optimizer: Any, balancer: Any, terms: tuple[str, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_combination(optimizer(parameters()), balancer, terms)


def test_a_weighting_before_a_post_combine_optimizer_warns() -> None:
    with pytest.warns(UserWarning, match="`balancer` DWA changes little with AutoAdamW: .* Use torch.optim.AdamW to"):
        check_combination(AutoAdamW(parameters()), DWA(), ("pde", "data"))


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (partial(AutoAdamW, lr=-1.0), "`lr` must be finite and >= 0, got -1.0"),
        (partial(AutoAdamW, lr=float("inf")), "`lr` must be finite and >= 0, got inf"),
        (partial(AutoAdamW, eps=0.0), "`eps` must be > 0, got 0"),
        (
            partial(AutoAdamW, combine=[1.0]),
            r"`combine` must hold one weight per loss term, 2 for \['pde', 'boundary'\]",
        ),
    ],
)
def test_training_refuses_values_of_the_optimizer(optimizer: Any, message: str, tmp_path: Path) -> None:
    refuses(Decay(optimizer=optimizer), tmp_path, message)
