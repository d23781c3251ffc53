"""`evaluate`: fields and their derivatives at points as arrays, for what comes after training."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from torch import Tensor, nn

from lightning_autobalance.derivatives.names import parse
from lightning_autobalance.points import Domain
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.utils.arguments import check_at_least


class EvaluatedModule(LightningModule):
    """A module with fields on a domain that can be evaluated outside training; the base of `NeuralField`."""

    domain: Domain
    fields: tuple[str, ...]

    @property
    @abstractmethod
    def derivative_mode(self) -> str:
        """How `partials` differentiates: "taylor" or "reverse"."""

    @property
    @abstractmethod
    def points_dtype(self) -> torch.dtype:
        """The floating point type of points."""

    @abstractmethod
    def partials(self, x: Points, *names: str) -> tuple[Fields, ...]:
        """The field ("") and its named partial derivatives ("t", "xx"), each (b, k)."""

    def extra_repr(self) -> str:
        """Coordinates, fields and domain, in front of the parts."""
        return f"({', '.join(self.domain.coordinates)}) -> ({', '.join(self.fields)}), domain={self.domain!r}"

    def evaluate(
        self, points: Tensor | NDArray[Any] | Mapping[str, Any], *names: str, batch_size: int = 65_536
    ) -> dict[str, NDArray[Any]]:
        """Fields and their derivatives at points, as numpy arrays; training mode and gradients stay as they are.

        Args:
            points: (n, d), or a column per coordinate by its name; further columns are ignored.
            names: Fields ("u") and derivatives of fields ("u_x", "u_xx", "u_xx+yy"). All fields by default.
            batch_size: How many points at once, >= 1.

        Returns:
            By name, (n,), of the module's floating point type.

        Raises:
            ValueError: If the points do not fit the coordinates, or a name cannot be read.
        """
        check_at_least("batch_size", batch_size, 1)
        x = as_rows(points, self.domain.coordinates)
        wanted = {name: split_name(name, self.fields) for name in names or self.fields}
        derivatives = list(dict.fromkeys(derivative for _, derivative in wanted.values()))
        parse(derivatives, x.shape[1], self.domain.coordinates)
        with _evaluating(self, with_grad=derivatives != [""] and self.derivative_mode == "reverse"):
            found = [self._values(batch, derivatives) for batch in torch.split(x, batch_size)]
        columns = {derivative: torch.cat([each[i] for each in found]) for i, derivative in enumerate(derivatives)}
        return {name: columns[derivative][:, column].numpy() for name, (column, derivative) in wanted.items()}

    def _values(self, x: Tensor, derivatives: Sequence[str]) -> list[Tensor]:
        x = x.to(self.device, self.points_dtype)
        values = self.partials(x, *derivatives) if any(derivatives) else (self(x),)
        return [value.detach().cpu() for value in values]


def as_rows(points: Tensor | NDArray[Any] | Mapping[str, Any], coordinates: Sequence[str]) -> Tensor:
    """Points as one tensor.

    Args:
        points: (n, d), or a column per coordinate by its name.
        coordinates: The names.

    Returns:
        (n, d), detached.

    Raises:
        ValueError: If a coordinate is missing, columns differ in length, or the shape is another.
    """
    if isinstance(points, Mapping):
        missing = [name for name in coordinates if name not in points]
        if missing:
            raise ValueError(f"`points` must have the columns {list(coordinates)}, got {list(points)}.")
        columns = [torch.as_tensor(points[name]).detach().reshape(-1) for name in coordinates]
        lengths = {name: len(column) for name, column in zip(coordinates, columns, strict=True)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"`points` must have columns of one length, got {lengths}.")
        return torch.stack(columns, dim=1)
    x = torch.as_tensor(points).detach()
    if x.dim() != 2 or x.shape[1] != len(coordinates):
        raise ValueError(
            f"`points` must be (n, {len(coordinates)}), a column for each of {', '.join(coordinates)}, got "
            f"{tuple(x.shape)}."
        )
    return x


def split_name(name: str, fields: Sequence[str]) -> tuple[int, str]:
    """The column of the field that a name such as "u_xx" begins with, and the derivative's own name, such as "xx".

    Args:
        name: "u" for the field itself.
        fields: Names of the fields; the longest that fits is taken.

    Raises:
        ValueError: If no field fits.
    """
    fits = [field for field in fields if name == field or name.startswith(f"{field}_")]
    if not fits:
        raise ValueError(
            f"`names` must be fields, {', '.join(fields)}, or derivatives of them such as {fields[0]}_x, got {name!r}."
        )
    field = max(fits, key=len)
    return fields.index(field), name[len(field) + 1 :]


@contextmanager
def _evaluating(module: nn.Module, *, with_grad: bool) -> Iterator[None]:
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.inference_mode(False), torch.set_grad_enabled(with_grad):
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode
