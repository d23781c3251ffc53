"""Parameters of the equation as further coordinates."""

import math
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.extended import Extended
from lightning_autobalance.points.rounding import checked_bounds, checked_names
from lightning_autobalance.points.writing import names_written, number


class ParameterRange:
    """A parameter of the equation as a further input of the network: ``domain * ParameterRange("nu", 0.1, 1)``.

    It becomes the last coordinate, in every part of the domain, and has no boundary condition.

    Args:
        name: Letters, such as "nu"; the name in ``partials``, too.
        low: Smallest value.
        high: Largest value.
        log: Spread the points evenly over the logarithm.

    Raises:
        ValueError: If the values are not in order, not positive with ``log``, or the name is not made of letters.
    """

    def __init__(self, name: str, low: float, high: float, log: bool = False) -> None:
        (self.name,) = checked_names((name,), 1)
        self.low, self.high = checked_bounds(name, (low, high))
        if log and self.low <= 0:
            raise ValueError(f"`low` of {name!r} must be > 0 where `log` is true, got {self.low}.")
        self.log = log

    def __mul__(self, domain: Any) -> "Parametric":
        raise TypeError(f"`*` must have the domain first, `domain * ParameterRange({self.name!r}, ...)`, got it last.")

    def __rmul__(self, domain: Domain) -> "Parametric":
        """The domain with the parameter as a further coordinate."""
        return Parametric(domain, self)


class Parametric(Extended):
    """A domain times the range of a parameter; written as a product, see `ParameterRange`.

    Args:
        base: The domain, with or without time, or with other parameters.
        parameter: The range.

    Raises:
        ValueError: If the domain has a coordinate of that name.
    """

    def __init__(self, base: Domain, parameter: ParameterRange) -> None:
        if not isinstance(base, Domain):
            raise ValueError(f"`ParameterRange` must be multiplied with a domain, got {base!r}.")
        if parameter.name in base.coordinates:
            raise ValueError(f"`name` must be no coordinate of the domain, {base.coordinates}, got {parameter.name!r}.")
        super().__init__(base, parameter.name, (parameter.low, parameter.high), parameter.name)
        self.log = parameter.log

    def __repr__(self) -> str:
        log = ", log=True" if self.log else ""
        ends = ", ".join(map(number, self.interval))
        return f"{self.base!r} * ParameterRange({self._name!r}, {ends}{log}){names_written(self._aliases)}"

    def _along(self, unit: Tensor) -> Tensor:
        if not self.log:
            return super()._along(unit)
        low, high = self.interval
        return torch.exp(math.log(low) + math.log(high / low) * unit).clamp(low, high)
