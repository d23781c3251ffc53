"""Stage 6: set ``p.jac`` and ``p.grad``, step the optimizer, and remove them again."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor
from torch.optim import Optimizer

from lightning_autobalance.shapes import JacBlock
from lightning_autobalance.step.combine import Combined


@runtime_checkable
class Steps(Protocol):
    """An optimizer, or Lightning's wrapper of one, which calls the callbacks."""

    def step(self) -> object:
        """Move the parameters."""


def trained_parameters(optimizer: Optimizer) -> list[Tensor]:
    """The parameters of an optimizer that are not frozen, each once."""
    return list(dict.fromkeys(p for group in optimizer.param_groups for p in group["params"] if p.requires_grad))


def update_parameters(optimizer: Steps, params: Sequence[Tensor], combined: Combined) -> None:
    """Take one step: gradients lie on the parameters as ``p.jac`` and ``p.grad`` as long as it lasts.

    Args:
        optimizer: Of the parameters.
        params: The parameters, in the order of the gradients.
        combined: From `combine_terms`.
    """
    lay(params, combined.blocks, combined.gradients)
    optimizer.step()
    clear(params)


def lay(params: Sequence[Tensor], blocks: Sequence[JacBlock | None], gradients: Sequence[Tensor | None] = ()) -> None:
    r"""Put the gradients where optimizers and callbacks find them: ``p.jac`` (TorchJD's convention) and ``p.grad``.

    Args:
        params: The parameters.
        blocks: (m, \*shape) by parameter.
        gradients: By parameter; none for a post-combine optimizer.
    """
    for p, block in zip(params, blocks, strict=True):
        if block is not None:
            p.jac = block  # type: ignore[attr-defined]
    for p, gradient in zip(params, gradients, strict=False):
        p.grad = gradient


def clear(params: Sequence[Tensor]) -> None:
    """Take the gradients off the parameters."""
    for p in params:
        p.grad = None
        if hasattr(p, "jac"):  # removed, since TorchJD adds to any `jac` it finds
            del p.jac
