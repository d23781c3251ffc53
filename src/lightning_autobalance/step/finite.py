"""Stage 5: whether a NaN stops the run: a step that is not finite is skipped, or ends the run by an error."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.step.term_gradients import TermGradients
from lightning_autobalance.utils.messages import rank_zero_warn


class NonFiniteError(FloatingPointError):
    """A loss, a gradient or a weight is NaN or infinite."""


class FiniteCheck:
    """Lets finite steps pass; stops at others, or skips and counts them.

    Args:
        limit: How many steps in a row may be skipped; 0 stops at the first.

    Attributes:
        skipped: How many steps were skipped.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.skipped = 0
        self._in_a_row = 0

    def passes(
        self,
        gradients: TermGradients,
        *,
        step: int,
        lr: float | Tensor,
        hint: Callable[[], str],
        made: Sequence[Tensor] = (),
        maker: str = "",
    ) -> bool:
        """Whether the step may be taken; reads one number from the device.

        Args:
            gradients: Losses and gradients of the step, clipped.
            step: Its number.
            lr: Its learning rate.
            hint: What an error ends with, such as where the last checkpoint is.
            made: What a balancer has made of the gradients, of any shape.
            maker: The name of that balancer.

        Raises:
            NonFiniteError: If something is not finite and must not be skipped, or the learning rate is not finite.
        """
        if isinstance(lr, float) and not isfinite(lr):
            raise NonFiniteError(f"`lr` must be finite, got {lr} at step {step}. Look at the schedule.")
        if are_finite(gradients, made):
            self._in_a_row = 0
            return True
        if made and are_finite(gradients):
            error = non_finite_direction(gradients, made, maker, step=step, lr=float(lr))
        else:
            error = non_finite_error(gradients, step=step, lr=float(lr))
        self._in_a_row += 1
        if self._in_a_row > self.limit:
            tried = f" {self.limit} steps before it were skipped." if self.limit else ""
            raise NonFiniteError(f"{error}{tried} {hint()}")
        self.skipped += 1
        if self.skipped == 1:
            rank_zero_warn(f"Step {step} is skipped, as others will be that are like it. {error}")
        return False

    def state_dict(self) -> dict[str, int]:
        """The counts, for the checkpoint."""
        return {"skipped": self.skipped, "in_a_row": self._in_a_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the counts that `state_dict` gave."""
        self.skipped, self._in_a_row = state["skipped"], state["in_a_row"]


def are_finite(gradients: TermGradients, made: Sequence[Tensor] = ()) -> bool:
    """Whether all losses, and the squares of all gradients, are; one number is read from the device.

    Args:
        gradients: Losses and gradients of a step.
        made: What a balancer has made of the gradients.
    """
    norms = torch._foreach_norm([block for block in gradients.blocks if block is not None] + list(made))
    return bool(torch.isfinite(torch.stack([gradients.losses.sum(), *norms]).sum()))


def check_finite_weights(tensors: Mapping[str, Tensor], step: int) -> None:
    """Refuse to go on with, or to keep, weights and buffers that are not finite.

    Args:
        tensors: Parameters and buffers by name.
        step: Number of optimizer steps done.

    Raises:
        NonFiniteError: If one holds a NaN or an infinite number.
    """
    numbers = {name: x for name, x in tensors.items() if x.is_floating_point() and x.numel()}
    if not numbers or torch.isfinite(torch.stack(torch._foreach_norm(list(numbers.values()))).sum()):
        return
    bad = [name for name, x in numbers.items() if not torch.isfinite(x).all()]
    if bad:  # finite numbers whose square is not are no fault of theirs
        raise NonFiniteError(
            f"The weights must be finite, got NaN or infinite numbers in {bad} after step {step}. They are not "
            "saved: go on from the last checkpoint, with a lower learning rate."
        )


def non_finite_error(gradients: TermGradients, *, step: int, lr: float) -> NonFiniteError:
    """The error that names the first term that went wrong.

    Args:
        gradients: Losses and gradients of the step that was not taken.
        step: Its number.
        lr: Its learning rate.
    """
    what, term = _first_non_finite(gradients)
    if 0 in (found[1] for found in zip(gradients.terms, gradients.counts, strict=False) if found[0] == term):
        return NonFiniteError(
            f"The residual of loss term `{term}` must have rows at step {step}, got none at its points: a "
            "mean of nothing. Where `residuals` selects points by a condition, draw more points, or multiply by the "
            "condition instead."
        )
    losses = dict(zip(gradients.terms, gradients.losses.tolist(), strict=True))
    return NonFiniteError(
        f"The {what} of loss term `{term}` must be finite at step {step} (lr {lr:.3g}), got losses "
        f"{losses}. The weights are those before the step. Lower "
        "the learning rate, warm it up, or look for a division by zero or a square root at zero in the residual."
    )


def non_finite_direction(
    gradients: TermGradients, made: Sequence[Tensor], maker: str, *, step: int, lr: float
) -> NonFiniteError:
    """The error that names the balancer, which has made of finite gradients what is not.

    Args:
        gradients: Losses and gradients of the step that was not taken.
        made: What the balancer has made of them.
        maker: Its name.
        step: Number of the step.
        lr: Its learning rate.
    """
    bad = sum(int((~torch.isfinite(x)).sum()) for x in made)
    found = f"{bad} of {sum(x.numel() for x in made)} numbers NaN or infinite" if bad else "numbers of infinite square"
    norms = torch.linalg.vector_norm(gradients.jacobian(), dim=1, dtype=torch.float64).tolist()
    sizes = {term: float(f"{norm:.3g}") for term, norm in zip(gradients.terms, norms, strict=True)}
    return NonFiniteError(
        f"The direction of `{maker}` must be finite at step {step} (lr {lr:.3g}), got {found} from gradients of the "
        f"norms {sizes}. The "
        "weights are those before the step. Scale the terms to similar sizes with `weights`, or take another balancer."
    )


def _first_non_finite(gradients: TermGradients) -> tuple[str, str]:
    blocks = [block for block in gradients.blocks if block is not None]
    for i, term in enumerate(gradients.terms):
        if not torch.isfinite(gradients.losses[i]):
            return "loss", term
        if not all(torch.isfinite(block[i]).all() for block in blocks):
            return "gradient", term
        if not all(torch.isfinite(torch.linalg.vector_norm(block[i])) for block in blocks):
            return "square of the gradient", term  # the second moments would hold its square
    return "sum of losses and gradients", ", ".join(gradients.terms)  # finite each, too large together
