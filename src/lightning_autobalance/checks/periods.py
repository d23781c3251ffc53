"""Whether the periods of a network are those of the domain."""

from collections.abc import Iterator
from math import isclose

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_warn
from torch import nn

from lightning_autobalance.field import NeuralField
from lightning_autobalance.nets import Parallel, Periodic, Transformed


def check_periods(field: NeuralField) -> None:
    """Check the periods of layers that see the coordinates as they are, against the extents of the domain.

    Args:
        field: The field to be trained.

    Raises:
        MisconfigurationException: If there are not as many periods as coordinates.
    """
    if type(field).forward is not NeuralField.forward:  # may scale the coordinates
        return
    names, bounds = field.domain.coordinates, field.domain.bounds
    for layer in _at_coordinates(field.net):
        if len(layer.periods) != len(names):
            raise MisconfigurationException(
                f"`periods` must be one for each coordinate, {names}, or null, got {list(layer.periods)}."
            )
        for name, (low, high), period in zip(names, bounds, layer.periods, strict=True):
            if period is not None and not _divides(period, high - low):
                rank_zero_warn(
                    f"`periods` should divide the extent of the domain, {high - low:.9g} along {name}, got "
                    f"{period:.9g}: the fields on its two sides will differ."
                )


def _divides(period: float, extent: float) -> bool:
    count = round(extent / period)
    return count >= 1 and isclose(count * period, extent, rel_tol=1e-6)


def _at_coordinates(net: nn.Module) -> Iterator[Periodic]:
    if isinstance(net, Periodic):
        yield net
    first = [net.net] if isinstance(net, Transformed) else []
    first += [*net.nets] if isinstance(net, Parallel) else []
    first += [*net][:1] if isinstance(net, nn.Sequential) else []
    for inner in first:
        yield from _at_coordinates(inner)
