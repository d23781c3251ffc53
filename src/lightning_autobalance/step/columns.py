"""State of balancers and variants with one column per number of the parameters: it follows the parameters."""

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor, nn

from lightning_autobalance.shapes import JacBlock
from lightning_autobalance.utils.parameter_columns import ParameterColumns


def align_columns(
    owners: Iterable[nn.Module | None],
    params: Sequence[Tensor],
    blocks: Sequence[JacBlock | None],
    named_parameters: Callable[[], Iterable[tuple[str, Tensor]]],
) -> None:
    r"""Tell whoever keeps state per parameter which columns of the Jacobian belong to which parameter.

    Args:
        owners: The balancer and the variant, which may hold others.
        params: The parameters, in the order of the blocks.
        blocks: (m, \*shape) by parameter; None where no term reaches it, which then has no columns.
        named_parameters: Gives the names, which last longer than the order; called only if somebody keeps state.
    """
    keepers = [part for owner in owners if owner for part in owner.modules() if isinstance(part, ParameterColumns)]
    if not keepers:
        return
    reached = tuple((id(p), p.numel()) for p, block in zip(params, blocks, strict=True) if block is not None)
    if all(keeper.aligned_with == reached for keeper in keepers):  # as in almost every step
        return
    names = {p: name for name, p in named_parameters()}
    columns = {
        names.get(p, f"parameter {i}"): p.numel()
        for i, (p, block) in enumerate(zip(params, blocks, strict=True))
        if block is not None
    }
    for keeper in keepers:
        keeper.align(columns)
        keeper.aligned_with = reached
