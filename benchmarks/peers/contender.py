"""The interface of a contender: how it is set up, checked and run."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple, NoReturn

from torch import Tensor, nn

from benchmarks.peers.case import Case
from lightning_autobalance.shapes import Jacobian

Tick = Callable[[], Any]
"""To be called after every step."""


class Prepared(NamedTuple):
    """A training that is about to start.

    Args:
        run: Trains until the tick raises.
        net: The trained network.
        losses: Computes its losses by term before the first step; None where it has no losses.
        gradients: Computes its gradients by term, (m, n), where they differ from autograd's of its losses.
    """

    run: Callable[[Tick], None]
    net: nn.Module
    losses: Callable[[], Mapping[str, Tensor]] | None = None
    gradients: Callable[[], Jacobian] | None = None


class Contender(NamedTuple):
    """A way to train.

    Args:
        name: Key in the results.
        title: Name in tables.
        setup: Prepares a training.
        needs: Name of the module that must be installed.
        absent: Returns why it cannot take part, or an empty string.
    """

    name: str
    title: str
    setup: Callable[[Case], Prepared]
    needs: str = "torch"
    absent: Callable[[], str] = str

    def missing(self) -> str:
        """Why it cannot take part, or an empty string."""
        return self.absent() if find_spec(self.needs) else f"`{self.needs}` is not installed"


def forever(step: Callable[[], Any], tick: Tick) -> NoReturn:
    """Train until `tick` raises."""
    while True:
        step()
        tick()
