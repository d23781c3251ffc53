"""What every weighting is."""

from abc import abstractmethod

from lightning_autobalance.balancing.base import Balancer, StepView
from lightning_autobalance.shapes import Losses


class Weighting(Balancer):
    """Turns losses, and what else it asks for, into one weight per loss term."""

    @abstractmethod
    def forward(self, view: StepView) -> Losses:
        """The weights of this step; called once per optimizer step.

        Args:
            view: What is known of the step.

        Returns:
            One weight per term, without a graph, (m,).
        """
