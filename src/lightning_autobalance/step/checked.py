"""Stages 4 and 5 together: what a balancer makes is checked with what it was made of, by one number read."""

from collections.abc import Callable

from torch import Tensor, nn

from lightning_autobalance.balancing import Balancer
from lightning_autobalance.step.combine import Combined
from lightning_autobalance.step.finite import FiniteCheck, are_finite
from lightning_autobalance.step.term_gradients import TermGradients


def combine_if_finite(
    combine: Callable[[], Combined],
    gradients: TermGradients,
    balancer: Balancer | None,
    check: FiniteCheck,
    *,
    step: int,
    lr: float | Tensor,
    hint: Callable[[], str],
) -> Combined | None:
    """What the optimizer steps along, or None where the step is skipped; the balancer is then as it was before.

    The balancer is called before anything is known to be finite: to look first would read a second number from the
    device.

    Args:
        combine: Calls the balancer.
        gradients: Losses and gradients of the step, clipped.
        balancer: What `combine` calls, if anything.
        check: Decides whether the step is taken.
        step: Its number.
        lr: Its learning rate.
        hint: What an error ends with.

    Raises:
        NonFiniteError: If the step must not be skipped.
    """
    restore = remember(balancer)
    combined, passed = None, False
    try:
        combined = combine()
    except Exception:
        if are_finite(gradients):
            raise  # otherwise the gradients are to blame, which the check says
    made = combined.made if combined is not None else ()
    try:
        passed = check.passes(
            gradients, step=step, lr=lr, hint=hint, made=made, maker="" if balancer is None else type(balancer).__name__
        )
    finally:
        if not passed:
            restore()
    return combined if passed else None


def remember(module: nn.Module | None) -> Callable[[], None]:
    """A function that brings the buffers and the extra state of a module back to what they are now."""
    parts = [
        (part, {name: b if b is None else b.clone() for name, b in part._buffers.items()}, _extra_state(part))
        for part in (module.modules() if module is not None else ())
    ]

    def restore() -> None:
        for part, buffers, extra in parts:
            part._buffers.update(buffers)
            if extra is not None:
                part.set_extra_state(extra)

    return restore


def _extra_state(part: nn.Module) -> object:
    overridden = type(part).get_extra_state is not nn.Module.get_extra_state
    return part.get_extra_state() if overridden else None
