"""Constructor arguments of `PINNModule` that no component checks itself."""

from collections.abc import Mapping
from typing import Any

import torch

from lightning_autobalance.checks.optimizer import check_optimizer_argument
from lightning_autobalance.utils.arguments import check_positive


def check_module_arguments(
    *,
    optimizer: Any,
    weights: Mapping[str, float],
    gradient_clip_val: float | None,
    skip_non_finite: int,
    steps_per_call: int,
    stop_at_noise: Mapping[str, float],
    compile: bool | str,  # noqa: A002
    cuda_graph: bool,
) -> None:
    """Check numbers against their ranges, and that ``optimizer`` is a factory.

    Raises:
        ValueError: If a number is out of range, ``compile`` is not one of torch's modes, or ``cuda_graph`` is true.
        TypeError: If ``optimizer`` is an optimizer object, a name, or otherwise not callable.
    """
    if not isinstance(steps_per_call, int) or steps_per_call < 1:
        raise ValueError(f"`steps_per_call` must be a whole number >= 1, got {steps_per_call}.")
    if not isinstance(skip_non_finite, int) or skip_non_finite < 0:
        raise ValueError(f"`skip_non_finite` must be a whole number >= 0, got {skip_non_finite}.")
    if optimizer is not None:
        check_optimizer_argument(optimizer)
    check_clip(gradient_clip_val)
    for term, weight in weights.items():
        if not 0 <= weight < float("inf"):
            raise ValueError(f"`weights` of {term!r} must be finite and >= 0, got {weight}.")
    for term, std in stop_at_noise.items():
        check_positive(f"stop_at_noise of {term}", std)
    if cuda_graph:
        raise ValueError(
            f"`cuda_graph` was removed and must be left out, got {cuda_graph}. Take `compile: reduce-overhead`, which "
            "uses torch's own CUDA graphs; load a checkpoint with `load_from_checkpoint(path, cuda_graph=False)`."
        )
    if isinstance(compile, bool) or compile == "auto":
        return
    if compile not in (modes := list(torch._inductor.list_mode_options())):
        raise ValueError(
            f"`compile` must be auto, true, false or one of torch's modes {', '.join(modes)}, got {compile!r}."
        )


def check_clip(gradient_clip_val: float | None) -> None:
    """Refuse a norm to clip to that is not positive.

    Raises:
        ValueError: If it is not.
    """
    if gradient_clip_val is not None and not gradient_clip_val > 0:
        raise ValueError(f"`gradient_clip_val` must be > 0, got {gradient_clip_val}. Leave it out not to clip.")
