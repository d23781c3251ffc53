"""What every pre-combine aggregator is."""

from abc import ABC, abstractmethod

from torch import nn

from lightning_autobalance.shapes import Gradient, Jacobian


class Aggregator(nn.Module, ABC):
    """Turns one gradient per loss term into the one gradient that a torch optimizer steps along.

    An aggregator is a module, so that what it remembers lies in buffers and is part of every checkpoint.
    """

    @abstractmethod
    def forward(self, jacobian: Jacobian) -> Gradient:
        """Combine the rows.

        Args:
            jacobian: Row i is the gradient of loss term i, (m, n).

        Returns:
            The combined gradient, (n,).
        """
