"""Modules with a mistake, and the assertion that training refuses them before the first step."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from helpers.toys import Decay, fit, points
from lightning_autobalance.field import NeuralField
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.points import Interval

ByPart = Mapping[str, Tensor]


def refuses(module: PINNModule, tmp_path: Path, message: str, **options: Any) -> None:
    """Training raises, and changes no parameter."""
    before = [p.clone() for p in module.parameters()]
    with pytest.raises(MisconfigurationException, match=message):
        fit(module, tmp_path, points(Decay()), max_steps=1, **options)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def with_residuals(function: Any, **options: Any) -> PINNModule:
    """`Decay` with residuals that a function makes of itself, the points, and the right residuals."""

    class Toy(Decay):
        def residuals(self, points: ByPart) -> dict[str, Tensor]:
            return function(self, points, super().residuals(points))

    return Toy(**options)


def field_with(residuals: Callable[[NeuralField, ByPart], Any], net: torch.nn.Module | None = None) -> NeuralField:
    """A field on [0, 1] with these residuals, that nothing trains."""

    class Toy(NeuralField):
        domain = Interval(0.0, 1.0)

        def residuals(self, points: ByPart) -> Any:
            return residuals(self, points)

    return Toy(net if net is not None else MLP(1, 1, [4]))
