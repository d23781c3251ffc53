"""What a contender is."""

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
        run: Trains until `Tick` raises.
        net: Its network.
        losses: Its own losses by term, before the first step; None where it has none.
        gradients: Its own gradients by term, (m, n), where they are not autograd's of its losses.
    """

    run: Callable[[Tick], None]
    net: nn.Module
    losses: Callable[[], Mapping[str, Tensor]] | None = None
    gradients: Callable[[], Jacobian] | None = None


class Contender(NamedTuple):
    """A way to train.

    Args:
        name: Its key in the results.
        title: In tables.
        setup: Prepares a training.
        needs: Module that must be installed.
        absent: Says why it cannot take part, or nothing.
    """

    name: str
    title: str
    setup: Callable[[Case], Prepared]
    needs: str = "torch"
    absent: Callable[[], str] = str

    def missing(self) -> str:
        """Why it cannot take part, or nothing."""
        return self.absent() if find_spec(self.needs) else f"`{self.needs}` is not installed"


def forever(step: Callable[[], Any], tick: Tick) -> NoReturn:
    """Train until `tick` raises.

    Args:
        step: One training step.
        tick: Called after each.
    """
    while True:
        step()
        tick()
