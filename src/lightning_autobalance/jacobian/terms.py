r"""Gradients of the loss terms with respect to the parameters, one per term.

The gradients of all m terms with respect to one parameter form its block, (m, \*shape), with one row per term; the
blocks side by side are the Jacobian J, (m, n). `backward` stores a block on its
parameter as ``p.jac``, TorchJD's convention; in a `PINNModule`, `step.update` does.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node

from lightning_autobalance.shapes import Gramian, Jacobian, ParamJac


class FreedGraphError(RuntimeError):
    """The graph of a loss term was already freed, by another term or by an earlier backward pass."""


def backward(losses: Mapping[str, Tensor], params: Iterable[Tensor], *, shared: bool | None = None) -> None:
    """Add the gradient of every loss term to ``p.jac``, as ``loss.backward()`` adds to ``p.grad``.

    A parameter that no term depends on gets no ``jac``. ``zero_grad`` of the post-combine optimizers clears ``jac``.
    The names of the terms go with it, as ``p.jac.terms``, and the optimizers match rows by them.

    Args:
        losses: 0-dim losses by name of the term; row i of ``jac`` belongs to the i-th, or, where it is added to an
            existing ``jac``, to the term of that name.
        params: The parameters, such as ``net.parameters()``. Those that do not require grad are skipped; one that is
            listed twice counts once.
        shared: See :func:`term_gradients`.

    Raises:
        ValueError: If ``losses`` is empty, a loss is not a scalar or depends on no parameter, or an existing ``jac``
            has another number of rows or is of other terms.
        TypeError: If a parameter is complex.
        FreedGraphError: If the graph of a loss was already freed.
    """
    params, terms = list(dict.fromkeys(params)), tuple(losses)
    for p, block in zip(params, term_gradients(losses, params, shared=shared), strict=True):
        if block is None:
            continue
        existing = getattr(p, "jac", None)
        if existing is None:
            block.terms = terms  # type: ignore[attr-defined]
            p.jac = block  # type: ignore[attr-defined]
        elif existing.shape == block.shape:
            existing += _in_order_of(getattr(existing, "terms", terms), terms, block)
        else:
            raise ValueError(
                f"`losses` must have as many terms as the `jac` that they are added to, {existing.shape[0]}, got "
                f"{block.shape[0]}. Call `optimizer.zero_grad()` between steps."
            )


def row_order(expected: Sequence[str], found: Sequence[str]) -> list[int] | None:
    """Where the rows of some terms are among those of the same terms in another order.

    Args:
        expected: Names of the terms in the order wanted.
        found: Names in the order that there is.

    Returns:
        An index into the rows found for each row wanted; None if the names differ.
    """
    if len(found) != len(expected) or set(found) != set(expected):
        return None
    return [found.index(name) for name in expected]


def _in_order_of(expected: tuple[str, ...], found: tuple[str, ...], block: ParamJac) -> ParamJac:
    if expected == found:
        return block
    order = row_order(expected, found)
    if order is None:
        raise ValueError(
            f"`losses` must be of the same terms as the `jac` that they are added to, {list(expected)}, got "
            f"{list(found)}. Call `optimizer.zero_grad()` between steps, or give all terms in one call."
        )
    return block[order]


def term_gradients(
    losses: Mapping[str, Tensor], params: Sequence[Tensor], *, shared: bool | None = None
) -> list[ParamJac | None]:
    r"""One gradient per loss term, :math:`J_{ij} = \partial L_i / \partial w_j`, parameter by parameter.

    Terms are differentiated one after the other, and each graph is freed as soon as no later term needs it. If every
    term has its own points, as in most PINNs, this costs the same as one backward pass of the summed loss.

    Args:
        losses: m 0-dim losses by name of the term.
        params: Parameters of any shape. Those that do not require grad get None.
        shared: Whether terms share a graph, which must then outlive its first use. None walks the graphs to find out
            (about 1 microsecond per node); a caller whose graphs look the same in every step can call
            :func:`graphs_are_shared` once and pass its result.

    Returns:
        One block (m, \*shape) per parameter, rows in the order of ``losses``. A row is zero if its term does not
        depend on the parameter; the block is None if no term does.

    Raises:
        ValueError: If ``losses`` is empty, a loss is not a scalar or depends on no parameter, or no parameter requires
            grad.
        TypeError: If a parameter is complex.
        FreedGraphError: If the graph of a loss was already freed.
    """
    _check_losses(losses)
    trainable = [p for p in params if _is_trainable(p)]
    if not trainable:
        raise ValueError("`params` must hold at least one tensor that requires grad, got none.")
    keep = _shared_with_later(losses) if shared is None else [shared] * len(losses)
    keep[-1] = False
    rows = [_gradient(name, losses[name], trainable, retain) for name, retain in zip(losses, keep, strict=True)]
    blocks = iter([stack_gradients(p, column) for p, column in zip(trainable, zip(*rows, strict=True), strict=True)])
    return [next(blocks) if _is_trainable(p) else None for p in params]


def graphs_are_shared(losses: Mapping[str, Tensor]) -> bool:
    """Whether the autograd graphs of any two loss terms have a node in common, not counting the parameters."""
    return any(_shared_with_later(losses))


def flatten(blocks: Sequence[Tensor]) -> Jacobian:
    r"""Concatenate the blocks of all parameters to the Jacobian.

    Args:
        blocks: One block (m, \*shape) per parameter.

    Returns:
        The Jacobian J, (m, n): row i is the gradient of term i.

    Raises:
        ValueError: If ``blocks`` is empty.
    """
    _check_blocks(blocks)
    return torch.cat([block.reshape(block.shape[0], -1) for block in blocks], dim=1)


def gramian(blocks: Sequence[Tensor]) -> Gramian:
    r"""Inner products of the terms' gradients, :math:`K = J J^T`, without forming J.

    Always in float64: norms of PINN gradients differ by factors of 1e3 and more, and K squares them.

    Args:
        blocks: One block (m, \*shape) per parameter.

    Returns:
        K in float64, (m, m).

    Raises:
        ValueError: If ``blocks`` is empty.
    """
    _check_blocks(blocks)
    matrices = [block.detach().reshape(block.shape[0], -1).to(torch.float64) for block in blocks]
    return torch.stack([matrix @ matrix.T for matrix in matrices]).sum(dim=0)


def stack_gradients(p: Tensor, gradients: Sequence[Tensor | None]) -> ParamJac | None:
    r"""Stack the terms' gradients with respect to one parameter.

    Args:
        p: The parameter.
        gradients: One per term; None, from autograd, if the term does not depend on the parameter.

    Returns:
        The block (m, \*shape), with zeros for None; None if no term depends on the parameter.
    """
    if all(gradient is None for gradient in gradients):
        return None
    return torch.stack([torch.zeros_like(p) if gradient is None else gradient for gradient in gradients])


def _check_losses(losses: Mapping[str, Tensor]) -> None:
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


def _is_trainable(p: Tensor) -> bool:
    if p.requires_grad and p.is_complex():
        raise TypeError(f"`params` must be real, got {p.dtype}. Train the real and the imaginary part.")
    return p.requires_grad


def _shared_with_later(losses: Mapping[str, Tensor]) -> list[bool]:
    """For each term, whether a later one uses a node of its graph."""
    seen: set[Node] = set()
    return [_visit(loss.grad_fn, seen) for loss in reversed(list(losses.values()))][::-1]


def _visit(root: Node | None, seen: set[Node]) -> bool:
    """Add the nodes of the graph of ``root`` to ``seen``; return whether any was in it before."""
    shared, own, stack = False, set[Node](), [root]
    while stack:
        node = stack.pop()
        if node is None or node in own or node.name().endswith("AccumulateGrad"):
            continue
        if node in seen:  # and so are all nodes below it
            shared = True
            continue
        own.add(node)
        stack.extend(child for child, _ in node.next_functions)
    seen |= own
    return shared


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
