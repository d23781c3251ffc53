r"""The training step: one line of stages, each a function of data with a test of its own.

.. code-block:: text

    points -> residuals -> losses -> per-term gradients -> reduce (ranks) -> clip, combine -> finite? -> update
     (b,d)      (b,k)       (m,)          J (m,n)
                                                     combine:  pre-combine, a balancer makes one gradient
                                                               post-combine, every row is kept

A PDE gives residuals at points. A variant turns them into one loss per term (`losses`). Every term is differentiated
by itself (`term_gradients`, or both at once, `compiled`): row i of the Jacobian J is the gradient of term i. Processes
add up their shares (`reduce`). Each row is clipped, and a balancer makes one gradient of all rows for an ordinary torch
optimizer, or the rows stay apart for a post-combine optimizer, which keeps one state per term (`combine`). What is not
finite, be it a loss, a clipped gradient or what a balancer made, never reaches the weights (`finite`): one number tells
it of all of them, and a step that is not taken leaves the balancer as it was (`checked`). State per parameter follows
the parameters when layers are frozen (`columns`). The optimizer steps (`update`); on logged steps `log_line` writes
what was seen. Balancers that weigh terms by their neural tangent kernels call `ntk`.

The last steps of a run may be a finisher's (`finish`): it takes the place of everything behind stage 1, and sees an
`objective`, the weighted losses as a function of one vector of parameters, in its own type.

No stage knows Lightning or `PINNModule`: a stage takes data, and the small object that owns its state (a variant, a
balancer, an optimizer, a `FiniteCheck`). `PINNModule` owns these objects and calls the stages once each, in this order;
`step_terms` enters the line at the per-term gradients.
"""

from lightning_autobalance.step.checked import combine_if_finite
from lightning_autobalance.step.columns import align_columns
from lightning_autobalance.step.combine import Combined, clip, combine_terms, unbalanced
from lightning_autobalance.step.finish import FinishStage, term_gradients_at
from lightning_autobalance.step.finite import FiniteCheck, NonFiniteError, check_finite_weights
from lightning_autobalance.step.log_line import LogLine
from lightning_autobalance.step.losses import LossStage, OwnLosses, ResidualLosses, losses_outside_training
from lightning_autobalance.step.ntk import ntk_diagonals
from lightning_autobalance.step.reduce import reduce_over_ranks
from lightning_autobalance.step.term_gradients import (
    ChangedTermsError,
    TermGradients,
    TermGradientStage,
    terms_needed,
)
from lightning_autobalance.step.update import clear, lay, trained_parameters, update_parameters

__all__ = [
    "LossStage",
    "ResidualLosses",
    "OwnLosses",
    "losses_outside_training",
    "TermGradients",
    "TermGradientStage",
    "ChangedTermsError",
    "terms_needed",
    "reduce_over_ranks",
    "FiniteCheck",
    "NonFiniteError",
    "check_finite_weights",
    "clip",
    "combine_terms",
    "FinishStage",
    "term_gradients_at",
    "combine_if_finite",
    "unbalanced",
    "Combined",
    "align_columns",
    "trained_parameters",
    "update_parameters",
    "lay",
    "clear",
    "LogLine",
    "ntk_diagonals",
]
