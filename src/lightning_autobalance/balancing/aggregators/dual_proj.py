"""DualProj: the mean gradient, projected onto the dual cone."""

from typing import final

from lightning_autobalance.balancing.aggregators.algebra import cosines_and_norms, dual_cone_weights
from lightning_autobalance.balancing.aggregators.base import GramianAggregator
from lightning_autobalance.shapes import Gramian, Losses


@final
class DualProj(GramianAggregator):
    r"""Dual projection: of all gradients that conflict with no term, the one closest to the mean.

    .. math:: g = \arg\min_{y: J y \ge 0} \Bigl\| y - \frac{1}{m} \sum_i J_i \Bigr\|

    Reference:
        Lopez-Paz and Ranzato, Gradient Episodic Memory, NeurIPS 2017; the name is Quinton and Rey's, arXiv 2406.16232.

    Note:
        Solved by scipy's non-negative least squares on the cosines, without TorchJD's regularisation.
    """

    def weigh(self, gram: Gramian) -> Losses:
        """The weights of the projected mean."""
        cosines, norms = cosines_and_norms(gram)
        largest = norms.max()
        return (1 + largest * dual_cone_weights(cosines, norms / largest) / norms) / len(gram)
