"""Checks before the first training step, so that a mistake costs seconds rather than a night.

A check is a function of data: it raises, or returns what it determined, such as the names of the loss terms. It leaves
its arguments as they were.
"""

from lightning_autobalance.checks.arguments import check_module_arguments
from lightning_autobalance.checks.checkpoint import check_checkpoint, check_terms_of_checkpoint
from lightning_autobalance.checks.exact import check_exact
from lightning_autobalance.checks.optimizer import check_combination, check_parameters
from lightning_autobalance.checks.problem import check_problem
from lightning_autobalance.checks.residuals import check_depends_on_network, check_residuals
from lightning_autobalance.checks.trainer import check_trainer
from lightning_autobalance.checks.variant import (
    check_variant_has_residuals,
    check_variant_losses,
    holds_points,
    prepare_variant,
)

__all__ = [
    "check_checkpoint",
    "check_combination",
    "check_depends_on_network",
    "check_exact",
    "check_module_arguments",
    "check_parameters",
    "check_problem",
    "check_residuals",
    "check_terms_of_checkpoint",
    "check_trainer",
    "check_variant_has_residuals",
    "check_variant_losses",
    "holds_points",
    "prepare_variant",
]
