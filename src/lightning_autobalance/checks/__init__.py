"""What is checked before the first step, so that a mistake costs seconds and not a night."""

from lightning_autobalance.checks.checkpoint import check_checkpoint
from lightning_autobalance.checks.exact import check_exact
from lightning_autobalance.checks.module import check_module
from lightning_autobalance.checks.optimizer import check_combination, check_optimizer_argument
from lightning_autobalance.checks.trainer import check_trainer

__all__ = [
    "check_checkpoint",
    "check_combination",
    "check_exact",
    "check_module",
    "check_optimizer_argument",
    "check_trainer",
]
