"""Whether a run is long enough to earn back the time that compiling its step takes; what ``compile: auto`` asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Timer
from torch import nn

from lightning_autobalance.training.batches import point_counts

COST = 45.0
"""Seconds that must be saved: half as much again as compiling took, measured in `results/speed/compile.json`."""
SAVED_PER_STEP = 1.5e-3
"""Seconds saved by a step of whatever size: calls of operations."""
SAVED_PER_VALUE = 11e-9
"""Seconds saved by a step for every number that a layer makes of a point: passes through memory."""
WIDEST = 400
"""Largest size of a layer: the matrix products of wider ones, which compiling leaves as they are, take all the time."""
SECONDS = 300.0
"""Shortest limit on the time of a run."""
PRECISIONS = ("32-true", "64-true")


@dataclass(frozen=True)
class RunFacts:
    """What the decision depends on: nothing that is measured, so that the same run is always decided alike.

    Args:
        steps: Of the optimizer in the whole run, those before a checkpoint included and those of a finish excluded.
        values: Numbers that the layers make in one step, those of one process.
        seconds: Largest duration.
        width: Largest size of any layer of the network.
        precision: The Trainer's.
        own_losses: Whether the module computes its losses itself.
        device: Type of the device.
    """

    steps: float
    values: float = 0.0
    seconds: float = inf
    width: int = 0
    precision: str = "32-true"
    own_losses: bool = False
    device: str = "cpu"


def why_not(run: RunFacts) -> str:
    """Why a run is not compiled by itself; empty where it is, if there is a compiler.

    Args:
        run: The run.
    """
    if run.steps < (enough := steps_enough(run.values)):
        return f"its {run.steps:,.0f} steps are fewer than {enough:,}"
    if run.seconds < SECONDS:
        return f"its {run.seconds:,.0f} s are less than {SECONDS:,.0f}"
    if run.own_losses:
        return "the module has `losses` of its own"
    if run.width > WIDEST:
        return f"a layer of {run.width} units is wider than {WIDEST}"
    if run.precision not in PRECISIONS:
        return f"the precision is {run.precision}"
    return "" if has_compiler(run.device) else f"there is no compiler for {run.device}"


def steps_enough(values: float) -> int:
    """How many steps earn the time of compiling back.

    Args:
        values: Numbers that the layers make in one step.
    """
    return ceil(COST / (SAVED_PER_STEP + SAVED_PER_VALUE * values))


def has_compiler(device: str) -> bool:
    """Whether torch finds what it compiles with: a C++ compiler on a CPU, Triton on a CUDA GPU.

    Args:
        device: Its type; there is none for others.
    """
    if torch._dynamo.config.disable:  # TORCH_COMPILE_DISABLE=1
        return False
    if device == "cuda":
        from torch.utils._triton import has_triton

        return has_triton()
    if device != "cpu":
        return False
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        return bool(get_cpp_compiler())
    except (InvalidCxxCompiler, RuntimeError, OSError):
        return False


def facts(trainer: Trainer, module: Any) -> RunFacts:
    """What the decision depends on.

    Args:
        trainer: In training: the length of its epochs is known.
        module: A `PINNModule`.
    """
    return RunFacts(
        steps=steps_of_run(trainer.max_steps, trainer.max_epochs, trainer.num_training_batches)
        - finishing_steps(module.finish, trainer.max_steps),
        values=sum((point_counts(trainer) or {}).values()) * units(module.net) / trainer.world_size,
        seconds=seconds_of_run(trainer.callbacks),  # type: ignore[attr-defined]
        width=widest(module.net),
        precision=str(trainer.precision),
        own_losses=module.has_own_losses,
        device=module.device.type,
    )


def steps_of_run(max_steps: int, max_epochs: int | None, batches: float) -> float:
    """Optimizer steps until the Trainer's limits; infinite where it has none.

    Args:
        max_steps: The Trainer's; negative for no limit.
        max_epochs: Likewise.
        batches: Of an epoch; infinite where that is not known.
    """
    by_steps = max_steps if max_steps >= 0 else inf
    by_epochs = inf if max_epochs is None or max_epochs < 0 else max_epochs and max_epochs * batches
    return min(by_steps, by_epochs)


def finishing_steps(finish: Any, max_steps: int) -> int:
    """How many of them are a finisher's, which compiles nothing.

    Args:
        finish: A `Finisher`, or None.
        max_steps: The Trainer's.
    """
    if finish is None:
        return 0
    return int(finish.steps) if finish.steps >= 0 else max_steps


def seconds_of_run(callbacks: Sequence[Callback]) -> float:
    """The shortest of the limits on time, such as ``max_time``; infinite where there is none.

    Args:
        callbacks: The Trainer's.
    """
    timers = [each for each in callbacks if isinstance(each, Timer)]
    return min((each._duration for each in timers if each._duration is not None), default=inf)


def units(net: nn.Module) -> int:
    """The outputs of all layers together: the rows of the matrices among the parameters.

    Args:
        net: The network.
    """
    return sum(p.shape[0] for p in net.parameters() if p.dim() >= 2)


def widest(net: nn.Module) -> int:
    """The largest size of a matrix among the parameters.

    Args:
        net: The network.
    """
    return max((max(p.shape) for p in net.parameters() if p.dim() >= 2), default=0)
