"""Unknown parameters of an equation: the module's own, beside those of its networks."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lightning_autobalance.nets.bounded import Bounded

MOST = 12  # numbers of one parameter that are watched one by one
CONTAINERS = (nn.ParameterList, nn.ParameterDict, nn.ModuleList, nn.ModuleDict)


def unknowns(module: nn.Module) -> dict[str, Tensor]:
    """The current value of every unknown number, by name, each () and detached; ``k[0]``, ``k[1]`` where k has several.

    These are the parameters that are attributes of the module itself and what is `Bounded`, also in lists and
    dictionaries; an array of more than 12 numbers is a field rather than an unknown, and is left out.

    Args:
        module: Such as a `PINNModule`.
    """
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        for name, value in _values(module, ""):
            flat = value.detach().flatten()
            if flat.numel() == 1:
                found[name] = flat[0].clone()
            elif flat.numel() <= MOST:
                found |= {f"{name}[{i}]": each.clone() for i, each in enumerate(flat)}
    return found


def fill_unknown_(module: nn.Module, name: str, value: float) -> bool:
    """Give an unknown a value.

    Args:
        module: Owns it.
        name: As in `unknowns`, of a single number or of a whole parameter.
        value: In its own unit.

    Returns:
        Whether there is one of that name.
    """
    bounded = dict(module.named_modules()).get(name)
    if isinstance(bounded, Bounded):
        bounded.fill_(value)
        return True
    parameter = dict(module.named_parameters()).get(name)
    if parameter is not None:
        with torch.no_grad():
            parameter.fill_(value)
    return parameter is not None


def _values(module: nn.Module, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in module.named_parameters(recurse=False):
        yield f"{prefix}{name}", parameter
    for name, child in module.named_children():
        if isinstance(child, Bounded):
            yield f"{prefix}{name}", child()
        elif isinstance(child, CONTAINERS):
            yield from _values(child, f"{prefix}{name}.")
