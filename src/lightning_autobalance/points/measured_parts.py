"""Measurements as parts of a run's points: read once, checked, and handed out in seeded batches."""

import dataclasses
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.points.domain import Domain
from lightning_autobalance.points.measured_rows import complete_rows, contradictions, outside
from lightning_autobalance.points.measurements import Measurements
from lightning_autobalance.utils.distributed import own_rows, world_size
from lightning_autobalance.utils.tables import fingerprint

NAME = "data"  # of measurements that are given without a name
TARGETS = "_targets"
OPTIONS = {each.name for each in dataclasses.fields(Measurements)}
FEW = 40  # rows for the checks before training


class MeasuredPart:
    """The rows of one set of measurements.

    Args:
        name: Of the part.
        given: What the user declared.
        domain: The domain.
        fields: Names of the module's fields.

    Attributes:
        notes: What is odd about the rows.
        identity: A short text that changes with any number or name in the source.

    Raises:
        ValueError: If columns or values are not as they must be.
    """

    def __init__(self, name: str, given: Measurements, domain: Domain, fields: tuple[str, ...]) -> None:
        columns = given.columns(domain.coordinates, fields)
        self.identity = fingerprint({str(i): column for i, column in enumerate(columns.values())})
        kept, missing = complete_rows(columns)
        self.name, self.width = name, len(domain.coordinates)
        self._fields = given.fields(fields)
        self._table = np.stack([column[kept] for column in columns.values()], axis=1)  # a batch is read row by row
        self.batch = given.batch if given.batch is not None and given.batch < len(self._table) else None
        rows = np.flatnonzero(kept) + 1
        x, y = self._table[:, : self.width], self._table[:, self.width :]
        found = (
            missing,
            outside(x, rows, domain, list(columns)[: self.width]),
            contradictions(x, y, rows, given.noise_std),
        )
        self.notes = [note for note in found if note]
        self._orders: dict[tuple[int, int], NDArray[np.int32]] = {}

    def __len__(self) -> int:
        return len(self._table)

    @property
    def values(self) -> int:
        """Number of measured values."""
        return self._table.size - len(self) * self.width

    def of_field(self, field: str) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Places, (n, d), and values, (n,), of one field; None where it is not measured.

        Args:
            field: Its name.
        """
        if field not in self._fields:
            return None
        return self._table[:, : self.width], self._table[:, self.width + self._fields.index(field)]

    def rows(self, step: int, seed: int) -> NDArray[np.int32]:
        """Numbers of the rows of a step, (b,): a piece of an endless row of shuffled epochs.

        Args:
            step: Number of optimizer steps taken before.
            seed: Of the run.
        """
        size = len(self) if self.batch is None else self.batch
        epoch, first = divmod(step * size, len(self))
        taken = self._order(epoch, seed)[first : first + size]
        return (
            taken if len(taken) == size else np.concatenate([taken, self._order(epoch + 1, seed)[: size - len(taken)]])
        )

    def points(self, rows: NDArray[np.int32] | slice, device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
        """This process's share of some rows: the inputs, (b, d), under the name, and the targets, (b, k).

        Args:
            rows: Their numbers.
            device: Of the result.
            dtype: Of the result.
        """
        found = own_rows(torch.from_numpy(self._table[rows])).to(dtype).to(device)
        return {
            self.name: found[:, : self.width].contiguous(),
            f"{self.name}{TARGETS}": found[:, self.width :].contiguous(),
        }

    def _order(self, epoch: int, seed: int) -> NDArray[np.int32]:
        if (seed, epoch) not in self._orders:
            generator = np.random.Generator(np.random.PCG64([seed, crc32(f"measurements/{self.name}".encode()), epoch]))
            order = np.arange(len(self), dtype=np.int32)
            generator.shuffle(order)
            self._orders = {key: kept for key, kept in self._orders.items() if key == (seed, epoch - 1)}
            self._orders[seed, epoch] = order
        return self._orders[seed, epoch]


class MeasuredParts:
    """All measurements of a run.

    Args:
        given: One set, sets by name, or none; a set may be a mapping of the options of `Measurements`.

    Attributes:
        noise: By name, the standard deviations that are known.

    Raises:
        ValueError: If a name is no word, or what it names is no set with options that are known.
    """

    def __init__(self, given: Measurements | Mapping[str, Any] | None) -> None:
        if isinstance(given, Measurements) or OPTIONS & set(given or {}):
            given = {NAME: given}
        sets = {name: _made(name, each) for name, each in (given or {}).items()}
        for name in sets:
            if not name.isidentifier() or name.removesuffix(TARGETS) != name:
                raise ValueError(f"`measurements` must have names that are words without {TARGETS!r}, got {name!r}.")
        self._given = sets
        self._parts: list[MeasuredPart] = []
        self._kept: dict[tuple[object, ...], dict[str, Tensor]] = {}
        self.noise = {name: each.noise_std for name, each in sets.items() if each.noise_std is not None}

    def read(self, domain: Domain, fields: tuple[str, ...], processes: int) -> list[str]:
        """Read and check all rows; give back what is odd about them, a sentence for each set.

        Args:
            domain: The domain.
            fields: Names of the module's fields.
            processes: Among which the rows of a step are shared out.

        Raises:
            ValueError: If they cannot be trained on.
        """
        self._parts, self._kept, notes = [], {}, []
        for name, given in self._given.items():
            label = f"`data.measurements` {name!r} from {given.source}"
            if name in domain.parts:
                raise ValueError(f"{label} must not have the name of a part of the domain, {list(domain.parts)}.")
            try:
                part = MeasuredPart(name, given, domain, fields)
            except (ValueError, FileNotFoundError, ModuleNotFoundError) as error:
                raise ValueError(f"{label} cannot be used: {error}") from error
            if (size := part.batch or len(part)) < processes:
                raise ValueError(f"{label} must give each of {processes} processes a row, got {size} for a step.")
            if part.notes:
                notes.append(f"{label}: {'. '.join(part.notes)}.")
            self._parts.append(part)
        return notes

    @property
    def values(self) -> int:
        """Number of measured values."""
        return sum(part.values for part in self._parts)

    def at(
        self, step: int, seed: int, device: torch.device, dtype: torch.dtype, *, whole: bool = False
    ) -> dict[str, Tensor]:
        """This process's rows of a step: the inputs, (b, d), by name, and the targets, (b, k), by ``<name>_targets``.

        Args:
            step: Number of optimizer steps taken before.
            seed: Of the run.
            device: Of the result.
            dtype: Of the result.
            whole: Whether to give all rows in place of a batch.
        """
        found: dict[str, Tensor] = {}
        for part in self._parts:
            if part.batch is not None and not whole:
                found |= part.points(part.rows(step, seed), device, dtype)
                continue
            key = part.name, device, dtype, world_size()
            if key not in self._kept:  # they stay on the device
                self._kept[key] = part.points(slice(None), device, dtype)
            found |= self._kept[key]
        return found

    def of_field(self, field: str) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Places, (n, d), and values, (n,), of one field, for each set that has it.

        Args:
            field: Its name.
        """
        return [found for part in self._parts if (found := part.of_field(field)) is not None]

    def few(self) -> dict[str, Tensor]:
        """Some rows of each, for checks; as many of few, so that their number is no number of columns."""
        cpu = torch.device("cpu")
        found: dict[str, Tensor] = {}
        for i, part in enumerate(self._parts):
            found |= part.points(np.arange(max(FEW - 3 * i, 7), dtype=np.int32) % len(part), cpu, torch.float64)
        return found

    def state_dict(self) -> dict[str, dict[str, object]]:
        """By name, what the rows of a step follow from."""
        return {part.name: {"fingerprint": part.identity, "batch": part.batch} for part in self._parts}

    def check_state(self, state: Mapping[str, Mapping[str, object]]) -> None:
        """Compare with what a checkpoint holds.

        Raises:
            ValueError: If a set, its numbers or its batch differ.
        """
        mine = self.state_dict()
        if state.keys() != mine.keys():
            raise ValueError(f"`measurements` must be as in the checkpoint, {list(state)}, got {list(mine)}.")
        for name, given in self._given.items():
            if state[name]["fingerprint"] != mine[name]["fingerprint"]:
                raise ValueError(
                    f"`measurements` {name!r} must be as in the checkpoint, got others from {given.source}."
                )
            if state[name]["batch"] != mine[name]["batch"]:
                raise ValueError(
                    f"`batch` of `measurements` {name!r} must be as in the checkpoint, {state[name]['batch']}, got "
                    f"{mine[name]['batch']}."
                )


def _made(name: str, given: Any) -> Measurements:
    if isinstance(given, Measurements):
        return given
    if not isinstance(given, Mapping):
        raise ValueError(f"`measurements` must be `Measurements`, or these by name, got {given!r} for {name!r}.")
    for option in given:
        if option not in OPTIONS:
            close = get_close_matches(str(option), OPTIONS, n=1)
            raise ValueError(
                f"`measurements` {name!r} must have the options {sorted(OPTIONS)}, got {option!r}."
                + (f" Did you mean {close[0]!r}?" if close else "")
            )
    if missing := {"inputs", "targets"} - set(given):
        raise ValueError(f"`measurements` {name!r} must have `inputs` and `targets`, got no {min(missing)}.")
    return Measurements(**given)
