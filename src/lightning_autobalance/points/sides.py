"""Normals of a part of the boundary, with the parts that have none refused."""

import torch

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.extended import Extended
from lightning_autobalance.shapes import Points


def outward(domain: Domain, x: Points, part: str) -> Points:
    """Outward unit normals of a domain, as `Domain.normal`, where there are such.

    Args:
        domain: The domain.
        x: Points of the part, (b, d).
        part: Part of the boundary.

    Returns:
        (b, d).

    Raises:
        ValueError: If there is no such part, or it is not of the boundary.
    """
    if not torch.compiler.is_compiling():  # was called before
        domain.faces(part)
        if domain._own_name(part) in ("interior", "initial") or _is_added(domain, part):
            raise ValueError(
                f"`part` must be a part of the boundary, got {part!r}, at which the domain has no normal. Give a "
                "direction of your own, `self.derivative_along(x, direction)`."
            )
    return domain.normal(x, part)


def _is_added(domain: Domain, part: str) -> bool:
    """Whether a part came by `with_part`: it may lie inside."""
    inside = isinstance(domain, Extended) and _is_added(domain.base, domain._aliases.get(part, part))
    return part in domain._added or inside
