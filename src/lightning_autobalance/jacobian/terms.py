r"""Gradients of loss terms by the parameters: one per term, none mixed.

The gradient of term i at one parameter is row i of that parameter's block, (m, \*shape); the blocks side by side are
the Jacobian J, (m, n). A block lies on its parameter as ``p.jac``, which is TorchJD's convention too.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node

from lightning_autobalance.shapes import Gramian, Jacobian, ParamJac


class FreedGraphError(RuntimeError):
    """The graph of a loss term was freed by another term, or before."""


def backward(losses: Mapping[str, Tensor], params: Iterable[Tensor], *, shared: bool | None = None) -> None:
    """Add the gradient of every loss term to ``p.jac``, as ``loss.backward()`` adds to ``p.grad``.

    A parameter that no term reaches gets no ``jac``. ``zero_grad`` of the post-combine optimizers clears ``jac``.

    Args:
        losses: 0-dim losses by the name of their term; row i of ``jac`` belongs to the i-th.
        params: The parameters, such as ``net.parameters()``. Those that do not require grad are left out.
        shared: See :func:`term_gradients`.

    Raises:
        ValueError: If ``losses`` is empty, a loss is not a scalar or reaches no parameter, or a ``jac`` that is already
            there has another number of rows.
        TypeError: If a parameter is complex.
        FreedGraphError: If the graph of a loss was freed before.
    """
    params = list(params)
    for p, block in zip(params, term_gradients(losses, params, shared=shared), strict=True):
        if block is None:
            continue
        there = getattr(p, "jac", None)
        if there is None:
            p.jac = block  # type: ignore[attr-defined]
        elif there.shape == block.shape:
            there += block
        else:
            raise ValueError(
                f"`losses` must have as many terms as the `jac` that they are added to, {there.shape[0]}, got "
                f"{block.shape[0]}. Call `optimizer.zero_grad()` between steps."
            )


def term_gradients(
    losses: Mapping[str, Tensor], params: Sequence[Tensor], *, shared: bool | None = None
) -> list[ParamJac | None]:
    r"""One gradient per loss term, :math:`J_{ij} = \partial L_i / \partial w_j`, parameter by parameter.

    Terms are differentiated one after the other, and each graph is freed as soon as no later term needs it. Terms on
    points of their own, as in most PINNs, then cost what one backward pass of their sum costs.

    Args:
        losses: m 0-dim losses by the name of their term.
        params: Parameters of any shape. Those that do not require grad get None.
        shared: Whether terms share a graph, so that it must outlive its first use. None finds out by walking the graphs
            (about 1 microsecond per node); a caller whose graphs look the same in every step can ask
            :func:`graphs_are_shared` once and pass the answer.

    Returns:
        One block (m, \*shape) per parameter, rows in the order of ``losses``. A row is zero where its term does not
        reach the parameter; the whole block is None where no term does.

    Raises:
        ValueError: If ``losses`` is empty, a loss is not a scalar or reaches no parameter, or no parameter requires
            grad.
        TypeError: If a parameter is complex.
        FreedGraphError: If the graph of a loss was freed before.
    """
    _check(losses)
    used = [p for p in params if _counts(p)]
    if not used:
        raise ValueError("`params` must hold at least one tensor that requires grad, got none.")
    keep = _shared_with_later(losses) if shared is None else [shared] * len(losses)
    keep[-1] = False
    rows = [_gradient(name, losses[name], used, retain) for name, retain in zip(losses, keep, strict=True)]
    blocks = iter([block(p, column) for p, column in zip(used, zip(*rows, strict=True), strict=True)])
    return [next(blocks) if _counts(p) else None for p in params]


def graphs_are_shared(losses: Mapping[str, Tensor]) -> bool:
    """Whether the autograd graphs of two loss terms have a node in common; the parameters themselves do not count.

    Args:
        losses: 0-dim losses by the name of their term.
    """
    return any(_shared_with_later(losses))


def flatten(blocks: Sequence[Tensor]) -> Jacobian:
    r"""Put the blocks of all parameters side by side.

    Args:
        blocks: One block (m, \*shape) per parameter.

    Returns:
        The Jacobian J, (m, n): row i is the gradient of term i.

    Raises:
        ValueError: If there is no block.
    """
    _check_blocks(blocks)
    return torch.cat([block.reshape(block.shape[0], -1) for block in blocks], dim=1)


def gramian(blocks: Sequence[Tensor]) -> Gramian:
    r"""Inner products of the terms' gradients, :math:`K = J J^T`, without putting J together.

    In float64 always: norms of PINN gradients differ by factors of 1e3 and more, and K squares them.

    Args:
        blocks: One block (m, \*shape) per parameter.

    Returns:
        K in float64, (m, m).

    Raises:
        ValueError: If there is no block.
    """
    _check_blocks(blocks)
    matrices = [block.detach().reshape(block.shape[0], -1).to(torch.float64) for block in blocks]
    return torch.stack([matrix @ matrix.T for matrix in matrices]).sum(dim=0)


def block(p: Tensor, column: Sequence[Tensor | None]) -> ParamJac | None:
    r"""The gradients of the terms by one parameter, stacked.

    Args:
        p: The parameter.
        column: One gradient per term, None where the term does not reach it.

    Returns:
        (m, \*shape), or None where no term reaches the parameter.
    """
    if all(gradient is None for gradient in column):
        return None
    return torch.stack([torch.zeros_like(p) if gradient is None else gradient for gradient in column])


def _check(losses: Mapping[str, Tensor]) -> None:
    if not losses:
        raise ValueError("`losses` must have at least one term, got none.")
    for name, loss in losses.items():
        if loss.shape != ():
            raise ValueError(
                f"Loss term `{name}` must be a scalar, got shape {tuple(loss.shape)}. Reduce it, as in "
                "`.square().mean()`."
            )
        if not loss.requires_grad:
            raise ValueError(
                f"Loss term `{name}` must depend on the parameters, got a tensor that does not require grad. It was "
                "detached, or computed under `torch.no_grad()`."
            )


def _check_blocks(blocks: Sequence[Tensor]) -> None:
    if not blocks:
        raise ValueError("`blocks` must hold at least one block of the Jacobian, got none.")


def _counts(p: Tensor) -> bool:
    if p.requires_grad and p.is_complex():
        raise TypeError(f"`params` must be real, got {p.dtype}. Train the real and the imaginary part.")
    return p.requires_grad


def _shared_with_later(losses: Mapping[str, Tensor]) -> list[bool]:
    later: set[Node] = set()
    return [_visit(loss.grad_fn, later) for loss in reversed(list(losses.values()))][::-1]


def _visit(root: Node | None, later: set[Node]) -> bool:
    """Add the nodes below ``root`` to those of later terms, and tell whether one was there already."""
    found, own, todo = False, set[Node](), [root]
    while todo:
        node = todo.pop()
        if node is None or node in own or node.name().endswith("AccumulateGrad"):
            continue
        if node in later:  # all that lies below it is there, too
            found = True
            continue
        own.add(node)
        todo.extend(child for child, _ in node.next_functions)
    later |= own
    return found


def _gradient(name: str, loss: Tensor, params: list[Tensor], retain: bool) -> tuple[Tensor | None, ...]:
    try:
        row = torch.autograd.grad(loss, params, retain_graph=retain, allow_unused=True)
    except RuntimeError as error:
        if "through the graph a second time" not in str(error):
            raise
        raise FreedGraphError(
            f"The graph of loss term `{name}` must be whole, got one that was freed before. If terms share a graph, "
            "leave out `shared=False`; otherwise do not call `backward` or `grad` on the losses first."
        ) from error
    if all(gradient is None for gradient in row):
        raise ValueError(f"Loss term `{name}` must depend on the parameters, got one that reaches none of them.")
    return row
