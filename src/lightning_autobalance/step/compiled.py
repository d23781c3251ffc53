"""Stages 1 and 2 as one function compiled by `torch.compile`, in the mode that `compile` names."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from itertools import count
from math import isnan
from types import FunctionType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._dynamo.exc import RecompileError

from lightning_autobalance.jacobian import flatten, stack_gradients, term_gradients
from lightning_autobalance.shapes import Jacobian
from lightning_autobalance.step.losses import ByPart, PointFunction, select, variant_losses, weighted
from lightning_autobalance.utils.agreement import relative_difference, tolerance
from lightning_autobalance.utils.generators import random_state, same_random_state, set_random_state
from lightning_autobalance.utils.messages import rank_zero_warn
from lightning_autobalance.variants import Variant

OPTIONS: dict[str, dict[str, Any]] = {  # of `torch.compile` where no mode is named, by type of device
    "cpu": {"options": {"cpp_wrapper": True}},  # kernels are called from C++, which small networks feel
}
_NUMBER = count()
Result = tuple[tuple[str, ...], Tensor, list[Tensor | None], list[int]]  # terms, losses, blocks, counts


class Arguments(NamedTuple):
    """What stages 1 and 2 work on, for the function that is compiled.

    Args:
        variant: Turns points and residuals into losses; its state moves on.
        residuals: Those of the equation.
        points: From ``ResidualLosses.begin``, by part, each (b, d).
        params: The parameters.
        weights: Fixed weights by term.
        needed: The terms whose gradients are needed; all where there are none.
    """

    variant: Variant
    residuals: PointFunction
    points: ByPart
    params: Sequence[Tensor]
    weights: Mapping[str, float]
    needed: tuple[str, ...]


class CompiledGradients:
    """`torch.compile` of everything between the points and the gradients of all terms, differentiation included.

    The function is traced anew for every choice of terms whose gradients are needed. The first result of each choice is
    compared with that of the same step uncompiled. Where compiling fails, or the two differ, a warning says why, and
    the run goes on uncompiled.

    Args:
        mode: One of torch's compile modes, as it is; None for our `OPTIONS`, which torch does not take with a mode.
        tell: Receives why the run goes on uncompiled, and what compiling took; by default only the former is said, by a
            warning.
        once: Whether to go on uncompiled, rather than to compile anew, where shapes or settings have changed.

    Attributes:
        reason: Why nothing is compiled; empty as long as it is.
        gain: What compiling took and gave, in words; empty before the first step.
    """

    def __init__(
        self, mode: str | None = None, *, tell: Callable[[str], None] | None = None, once: bool = False
    ) -> None:
        self.reason = ""
        self.gain = ""
        self._mode = mode
        self._tell = tell
        self._once = once
        self._function: Callable[..., Result] | None = None
        self._verified: set[tuple[str, ...]] = set()

    def __call__(self, arguments: Arguments) -> Result | None:
        r"""The terms, their losses (m,), the blocks (m, \*shape) of the needed terms, and the counts.

        Returns:
            None where the step must be done uncompiled.
        """
        if self.reason:
            return None
        if arguments.needed in self._verified:
            try:
                return self._attempt(arguments, error_on_recompile=True)
            except RecompileError:  # other shapes, or another setting: compiled anew, and compared anew
                self._verified.discard(arguments.needed)
                if self._once:
                    self.refuse("the number of points, or something else that it was compiled for, has changed")
                    return None
        variant = arguments.variant
        before, drawn = deepcopy(variant.state_dict()), random_state()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning)  # of torch, as it loads its compiler
            start = time.perf_counter()
            result = self._attempt(arguments)
            seconds = time.perf_counter() - start
        after, drawn_after = deepcopy(variant.state_dict()), random_state()
        set_random_state(drawn)  # one evaluation leaves its numbers drawn, and no comparison
        if result is None:
            return None
        variant.load_state_dict(before)
        agrees = self._agrees(result, arguments, drawn)
        if agrees and not self.gain:
            self._measure(arguments, seconds)
        variant.load_state_dict(after if agrees else before)
        set_random_state(drawn_after if agrees else drawn)
        return result if agrees else None

    def _measure(self, arguments: Arguments, seconds: float) -> None:
        """Time both forms, which are warm by now; for people to read, nothing depends on it."""
        compiled = _milliseconds(lambda: self._attempt(arguments))
        eager = _milliseconds(lambda: _uncompiled(arguments))
        self.gain = (
            f"{seconds:,.0f} s of compiling, after which losses and gradients of a step take {compiled:.3g} ms for "
            f"{eager:.3g}"
        )
        if self._tell is not None and not self.reason:
            self._tell(self.gain)

    def _attempt(self, arguments: Arguments, *, error_on_recompile: bool = False) -> Result | None:
        if not _traces_differentiation():
            self.refuse(f"it needs a torch that traces `autograd.grad`, as 2.13 does, got {torch.__version__}")
            return None
        try:
            if self._function is None:
                self._function = _compiled(arguments.params[0].device, self._mode)
            with torch._dynamo.config.patch(trace_autograd_ops=True, error_on_recompile=error_on_recompile):
                return self._function(*arguments)
        except RecompileError:
            raise
        except Exception as error:  # whatever the compiler cannot do; uncompiled, the step raises what is truly wrong
            self.refuse(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
            return None

    def _agrees(self, result: Result, arguments: Arguments, drawn: Any) -> bool:
        values, blocks = _uncompiled(arguments)
        differences = (
            relative_difference(result[1][:, None], values[:, None]),
            relative_difference(_rows(result[2]), _rows(blocks)),
        )
        if any(map(isnan, differences)):
            return True  # the finite check is next, and a later step compares
        if max(differences) > (limit := tolerance(values.dtype)):
            draws = not same_random_state(drawn, random_state())
            why = ": `residuals` or the network draw random numbers, which are others when compiled" if draws else ""
            self.refuse(
                f"the first compiled step differs by {max(differences):.1e} from the same uncompiled, {limit:.1e}{why}"
            )
            return False
        self._verified.add(arguments.needed)
        return True

    def refuse(self, reason: str) -> None:
        """Go on uncompiled, and say so the first time."""
        if self.reason:
            return
        self.reason = reason
        if self._tell is None:
            rank_zero_warn(f"`compile` is of no effect, and the run goes on uncompiled: {reason}")
        else:
            self._tell(f"the run goes on uncompiled: {reason}")

    def __getstate__(self) -> dict[str, Any]:
        """Nothing that is compiled: it belongs to a process and to one module."""
        return {**vars(self), "_function": None, "_verified": set()}


def losses_and_gradients(
    variant: Variant,
    residuals: PointFunction,
    points: ByPart,
    params: Sequence[Tensor],
    weights: Mapping[str, float],
    needed: tuple[str, ...],
) -> Result:
    """The function that is compiled, of `Arguments`; `TermGradientStage` has its eager form."""
    losses, counts = variant_losses(variant, residuals, points)
    used = [p for p in params if p.requires_grad]
    differentiated = select(weighted(losses, weights), needed).values()
    gradients = [torch.autograd.grad(loss, used, retain_graph=True, allow_unused=True) for loss in differentiated]
    columns = iter([stack_gradients(p, [gradient[i] for gradient in gradients]) for i, p in enumerate(used)])
    blocks = [next(columns) if p.requires_grad else None for p in params]
    values = torch.stack([loss.detach() for loss in losses.values()])
    return tuple(losses), values, blocks, list(counts.values())


def _uncompiled(arguments: Arguments) -> tuple[Tensor, Sequence[Tensor | None]]:
    variant, residuals, points, params, weights, needed = arguments
    losses, _ = variant_losses(variant, residuals, points)
    blocks = term_gradients(select(weighted(losses, weights), needed), params)
    return torch.stack([loss.detach() for loss in losses.values()]), blocks


def _milliseconds(work: Callable[[], Any]) -> float:
    """The shortest of three times, since other processes may use the same core."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def _traces_differentiation() -> bool:
    return hasattr(torch._dynamo.config, "trace_autograd_ops")


def _compiled(device: torch.device, mode: str | None) -> Callable[..., Result]:
    # The compiler counts recompilations, and remembers which shapes change, by code: for every module its own.
    code = losses_and_gradients.__code__.replace(co_name=f"losses_and_gradients_{next(_NUMBER)}")
    own = FunctionType(code, losses_and_gradients.__globals__, closure=losses_and_gradients.__closure__)
    # fullgraph: what cannot be compiled whole is not compiled in parts.
    if mode is None:
        return torch.compile(own, fullgraph=True, **OPTIONS.get(device.type, {}))
    function: Callable[..., Result] = torch.compile(own, fullgraph=True, mode=mode)
    uses_cuda_graphs = torch._inductor.list_mode_options(mode).get("triton.cudagraphs")
    return _copying_results(function) if uses_cuda_graphs else function


def _copying_results(function: Callable[..., Result]) -> Callable[..., Result]:
    """Copies what a function with CUDA graphs gives: the next replay writes to the same memory."""

    def copied(variant: Variant, *args: Any) -> Result:
        before = [(part, dict(part.named_buffers(recurse=False))) for part in variant.modules()]
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        terms, values, blocks, counts = function(variant, *args)
        for part, buffers in before:
            for name, new in dict(part.named_buffers(recurse=False)).items():
                if new is not buffers.get(name):
                    setattr(part, name, _copy(buffers.get(name), new))
        return terms, values.clone(), [None if block is None else block.clone() for block in blocks], counts

    return copied


def _copy(old: Tensor | None, new: Tensor) -> Tensor:
    """The new values, where possible in the old memory: a graph whose inputs have moved is recorded again."""
    if old is None or (old.shape, old.dtype, old.device) != (new.shape, new.dtype, new.device):
        return new.clone()
    return old.copy_(new)


def _rows(blocks: Sequence[Tensor | None]) -> Jacobian:
    return flatten([block for block in blocks if block is not None])
