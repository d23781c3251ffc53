"""Checks before the first training step, so that a mistake costs seconds rather than a night.

A check is a function of data: it raises, or returns what it determined, such as the names of the loss terms. It leaves
its arguments as they were.
"""

from lightning_autobalance.checks.arguments import check_module_arguments
from lightning_autobalance.checks.checkpoint import check_loaded, check_terms_of_checkpoint
from lightning_autobalance.checks.exact import check_exact
from lightning_autobalance.checks.finish import check_finish
from lightning_autobalance.checks.optimizer import check_combination, check_parameters
from lightning_autobalance.checks.problem import check_problem
from lightning_autobalance.checks.reference import check_reference, tell_of_another_reference
from lightning_autobalance.checks.terms import find_terms, prepare_variant_of
from lightning_autobalance.checks.trainer import check_trainer

__all__ = [
    "check_combination",
    "check_exact",
    "check_finish",
    "check_loaded",
    "check_module_arguments",
    "check_parameters",
    "check_problem",
    "check_reference",
    "check_terms_of_checkpoint",
    "check_trainer",
    "find_terms",
    "prepare_variant_of",
    "tell_of_another_reference",
]
