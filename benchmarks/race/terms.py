"""Equations in a neutral form, from which DeepXDE and PINA get theirs: formulas of points and derivatives."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor


class Derivatives(Protocol):
    """Looks up a field, or a derivative of it."""

    def __call__(self, field: str, *by: str) -> Tensor:
        """``d("u", "x", "x")`` is u_xx at the points, (b, 1); ``d("u")`` is u."""


Formula = Callable[[Tensor, Derivatives], Tensor | Sequence[Tensor]]
"""Points (b, d) and derivatives to one residual (b, 1), or several."""


Values = Callable[[Tensor], Tensor] | str


class Term(NamedTuple):
    """A loss term: the mean square of a formula at the points of a part.

    Args:
        name: As in our module.
        part: Of the domain, or several with spaces between them.
        formula: Its residual.
        fields: Where the term is that fields have values: these.
        values: And these: points (b, d) to values (b, c), or the name of measured ones.
    """

    name: str
    part: str
    formula: Formula | None = None
    fields: tuple[str, ...] = ()
    values: Values | None = None

    def residual(self, x: Tensor, d: Derivatives) -> Tensor:
        """Residuals at points, (b, k).

        Args:
            x: Points (b, d).
            d: Derivatives there.

        Raises:
            ValueError: If the term is one of values.
        """
        if self.formula is None:
            raise ValueError(f"`formula` of the term {self.name!r} must be given, got only values.")
        found = self.formula(x, d)
        return found if isinstance(found, Tensor) else torch.cat(list(found), dim=1)


def equation(name: str, formula: Formula, part: str = "interior") -> Term:
    """A differential equation, or a condition on derivatives."""
    return Term(name, part, formula)


def known(name: str, part: str, fields: str, values: Values | float) -> Term:
    """Values of fields.

    Args:
        name: Of the term.
        part: Of the domain.
        fields: Names, with spaces between them.
        values: From points (b, d) to (b, c); or a number; or the name of measured ones.
    """
    names = tuple(fields.split())
    if isinstance(values, float | int):
        return Term(name, part, None, names, constant(float(values), len(names)))
    return Term(name, part, None, names, values)


def constant(value: float, count: int) -> Callable[[Tensor], Tensor]:
    """The same value everywhere, (b, count)."""
    return lambda x: x.new_full((len(x), count), value)


def laplacian(d: Derivatives, field: str, coordinates: Sequence[str]) -> Tensor:
    """Sum of second derivatives, (b, 1)."""
    return torch.stack([d(field, c, c) for c in coordinates]).sum(dim=0)


class Points(NamedTuple):
    """What a peer trains on.

    Args:
        coordinates: Names.
        fields: Names.
        terms: The loss terms.
        at: Points by part, (b, d); measured points and values by the names that they have in our module.
    """

    coordinates: tuple[str, ...]
    fields: tuple[str, ...]
    terms: Sequence[Term]
    at: Mapping[str, Tensor]

    def values(self, term: Term) -> Tensor:
        """What the fields of a term are at its points, (b, c).

        Raises:
            ValueError: If the term is no such.
        """
        if isinstance(term.values, str):
            return self.at[term.values]
        if term.values is None:
            raise ValueError(f"`values` of the term {term.name!r} must be given, got a formula.")
        x = self.at[term.part]
        return term.values(x).to(x.dtype)

    def columns(self, term: Term) -> list[int]:
        """Which fields a term is about."""
        return [self.fields.index(name) for name in term.fields]

    def to(self, dtype: torch.dtype) -> "Points":
        """The same in another type."""
        return self._replace(at={name: x.to(dtype) for name, x in self.at.items()})


def points_of(module: Any, data: Any, terms: Sequence[Term]) -> Points:
    """The points of our module's training, for a peer.

    Args:
        module: Our module.
        data: Its `CollocationPoints`.
        terms: The loss terms.
    """
    at = data.draw(module.domain, 0)
    buffers = {name: buffer for name, buffer in module.named_buffers() if "." not in name}
    joined = {term.part: torch.cat([at[part] for part in term.part.split()]) for term in terms if " " in term.part}
    return Points(tuple(module.domain.coordinates), tuple(module.fields), terms, {**at, **buffers, **joined})
