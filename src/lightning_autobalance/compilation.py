"""The passes of a training step as one compiled function."""

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from itertools import count
from math import inf, isnan
from types import FunctionType
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch._dynamo.exc import RecompileError

from lightning_autobalance import variation
from lightning_autobalance.jacobian import block, flatten, term_gradients
from lightning_autobalance.shapes import Jacobian

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule

OPTIONS: dict[str, dict[str, Any]] = {  # of `torch.compile` where no mode is named, by type of device
    "cpu": {"options": {"cpp_wrapper": True}},  # kernels are called from C++, which small networks feel
}
_NUMBER = count()
Result = tuple[Tensor, list[Tensor | None], list[int]]


def check_compile(value: bool | str, cuda_graph: bool) -> None:
    """Refuse what torch does not know, and a capture of our own.

    Args:
        value: Whether to compile, or a compile mode of torch's.
        cuda_graph: Was removed; false in older configurations and checkpoints.

    Raises:
        ValueError: If ``value`` is neither, or ``cuda_graph`` is true.
    """
    if cuda_graph:
        raise ValueError(
            f"`cuda_graph` was removed and must be left out, got {cuda_graph}. Take `compile: reduce-overhead`, which "
            "uses torch's own CUDA graphs."
        )
    if not isinstance(value, bool) and value not in (modes := list(torch._inductor.list_mode_options())):
        raise ValueError(f"`compile` must be true, false or one of torch's modes {', '.join(modes)}, got {value!r}.")


class CompiledPass:
    """`torch.compile` of everything between the points and the gradients of all terms, differentiation included.

    The function is traced anew for every choice of terms that a balancer asks for. The first result of each choice is
    compared with that of the same step uncompiled. Where compiling fails, or the two differ, a warning says why, and
    the run goes on uncompiled.

    Args:
        mode: Compile mode of torch's, taken as it is; by default our `OPTIONS`, which torch does not take with a mode.

    Attributes:
        reason: Why nothing is compiled; empty as long as it is.
    """

    def __init__(self, mode: str | None = None) -> None:
        self.reason = ""
        self._mode = mode
        self._function: Callable[..., Result] | None = None
        self._trusted: set[tuple[str, ...]] = set()

    def __call__(
        self, module: "PINNModule", placed: Mapping[str, Tensor], params: Sequence[Tensor], wanted: tuple[str, ...]
    ) -> Result | None:
        """The losses (m,), the gradients of the terms asked for, and over how many values each loss is averaged.

        Args:
            module: Its residuals, variant and fixed weights.
            placed: Where residuals are taken, by part, each (b, d).
            params: The parameters.
            wanted: The terms whose gradients are asked for; all where there are none.

        Returns:
            None where the step must be done uncompiled.
        """
        if self.reason:
            return None
        if wanted in self._trusted:
            try:
                return self._attempt(module, placed, params, wanted, as_it_is=True)
            except RecompileError:  # other shapes, or another setting: compiled anew, and compared anew
                self._trusted.discard(wanted)
        before = deepcopy(module.variant.state_dict())
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning)  # of torch, as it loads its compiler
            found = self._attempt(module, placed, params, wanted)
        if found is None:
            return None
        after = deepcopy(module.variant.state_dict())
        module.variant.load_state_dict(before)
        if self._agrees(found, module, placed, params, wanted):
            module.variant.load_state_dict(after)
            return found
        module.variant.load_state_dict(before)
        return None

    def _attempt(
        self,
        module: "PINNModule",
        placed: Mapping[str, Tensor],
        params: Sequence[Tensor],
        wanted: tuple[str, ...],
        *,
        as_it_is: bool = False,
    ) -> Result | None:
        if not _traces_differentiation():
            self.refuse(f"it needs a torch that traces `autograd.grad`, as 2.13 does, got {torch.__version__}")
            return None
        try:
            if self._function is None:
                self._function = _compiled(params[0].device, self._mode)
            with torch._dynamo.config.patch(trace_autograd_ops=True, error_on_recompile=as_it_is):
                return self._function(module, placed, params, wanted)
        except RecompileError:
            raise
        except Exception as error:  # whatever the compiler cannot do; uncompiled, the step raises what is truly wrong
            self.refuse(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
            return None

    def _agrees(
        self,
        found: Result,
        module: "PINNModule",
        placed: Mapping[str, Tensor],
        params: Sequence[Tensor],
        wanted: tuple[str, ...],
    ) -> bool:
        losses, _ = variation.learnt(module, placed)
        blocks = term_gradients(asked(module.weighted(losses), wanted), params)
        values = torch.stack([loss.detach() for loss in losses.values()])
        difference = max(_difference(found[0][:, None], values[:, None]), _difference(_rows(found[1]), _rows(blocks)))
        if isnan(difference):
            return True  # the guard has its say, and a later step compares
        if difference > (limit := torch.finfo(values.dtype).eps ** 0.25):
            self.refuse(f"the first compiled step differs by {difference:.1e} from the same uncompiled, {limit:.1e}")
            return False
        self._trusted.add(wanted)
        return True

    def refuse(self, reason: str) -> None:
        """Go on uncompiled, with a warning the first time.

        Args:
            reason: Why.
        """
        if self.reason:
            return
        self.reason = reason
        rank_zero_warn(f"`compile` is of no effect, and the run goes on uncompiled: {reason}")

    def __getstate__(self) -> dict[str, Any]:
        """Nothing that is compiled: it belongs to a process and to one module."""
        return {"reason": self.reason, "_mode": self._mode, "_function": None, "_trusted": set()}


def passes(
    module: "PINNModule", placed: Mapping[str, Tensor], params: Sequence[Tensor], wanted: tuple[str, ...]
) -> Result:
    """What is compiled; `Passes` has its uncompiled form.

    Args:
        module: Its residuals, variant and fixed weights.
        placed: Where residuals are taken, by part, each (b, d).
        params: The parameters.
        wanted: The terms whose gradients are asked for; all where there are none.
    """
    losses, counts = variation.learnt(module, placed)
    module.take_terms(losses)
    used = [p for p in params if p.requires_grad]
    those = asked(module.weighted(losses), wanted).values()
    gradients = [torch.autograd.grad(loss, used, retain_graph=True, allow_unused=True) for loss in those]
    columns = iter([block(p, [gradient[i] for gradient in gradients]) for i, p in enumerate(used)])
    blocks = [next(columns) if p.requires_grad else None for p in params]
    return torch.stack([loss.detach() for loss in losses.values()]), blocks, list(counts.values())


def asked(losses: Mapping[str, Tensor], wanted: Collection[str]) -> dict[str, Tensor]:
    """The losses of some terms.

    Args:
        losses: Of all, by term.
        wanted: Which, by name; all where there are none.
    """
    return {term: loss for term, loss in losses.items() if not wanted or term in wanted}


def _traces_differentiation() -> bool:
    return hasattr(torch._dynamo.config, "trace_autograd_ops")


def _compiled(device: torch.device, mode: str | None) -> Callable[..., Result]:
    # The compiler counts recompilations, and remembers which shapes change, by code: for every module its own.
    code = passes.__code__.replace(co_name=f"passes_{next(_NUMBER)}")
    own = FunctionType(code, passes.__globals__, closure=passes.__closure__)
    # What cannot be compiled whole is not compiled in parts.
    if mode is None:
        return torch.compile(own, fullgraph=True, **OPTIONS.get(device.type, {}))
    function: Callable[..., Result] = torch.compile(own, fullgraph=True, mode=mode)
    return (
        _outliving_replays(function) if torch._inductor.list_mode_options(mode).get("triton.cudagraphs") else function
    )


def _outliving_replays(function: Callable[..., Result]) -> Callable[..., Result]:
    """Copies what a function with CUDA graphs gives: the next replay writes to the same memory."""

    def copied(module: "PINNModule", *args: Any) -> Result:
        before = [(part, dict(part.named_buffers(recurse=False))) for part in module.variant.modules()]
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        values, blocks, counts = function(module, *args)
        for part, buffers in before:
            for name, new in dict(part.named_buffers(recurse=False)).items():
                if new is not buffers.get(name):
                    setattr(part, name, _kept(buffers.get(name), new))
        return values.clone(), [None if block is None else block.clone() for block in blocks], counts

    return copied


def _kept(old: Tensor | None, new: Tensor) -> Tensor:
    """The new values, where possible in the old memory: a graph whose inputs have moved is recorded again."""
    if old is None or (old.shape, old.dtype, old.device) != (new.shape, new.dtype, new.device):
        return new.clone()
    return old.copy_(new)


def _rows(blocks: Sequence[Tensor | None]) -> Jacobian:
    return flatten([block for block in blocks if block is not None])


def _difference(found: Tensor, expected: Tensor) -> float:
    """The largest relative error of a row; NaN where a number is not finite."""
    if found.shape != expected.shape:
        return inf
    error, size = (found - expected).norm(dim=1), expected.norm(dim=1)
    return float(torch.where(error == 0, error, error / size).max())
