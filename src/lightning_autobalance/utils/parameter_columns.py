"""Buffers with one column per number of the parameters, which follow the parameters they belong to."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class ParameterColumns(nn.Module):
    r"""Mixin for modules with state per parameter: buffers (\*rows, n), n numbers of all parameters side by side.

    A column belongs to a parameter by its name, not by its position: parameters come and go as layers are frozen and
    unfrozen. The columns of one that goes are put aside until it is back; one that is new has zeros. The names travel
    with the checkpoint. As long as nobody calls `align`, as where a balancer is used by itself, n must not change.

    The class that mixes it in has an extra state of its own.
    """

    per_parameter: tuple[str, ...] = ()
    """Names of the buffers; they are filled together, and empty before."""
    keeps_absent: bool = True
    """Whether the columns of a parameter that goes are put aside; otherwise they are forgotten."""

    aligned_with: object = None
    """Whatever the caller of `align` knows the parameters of the latest call by; None after a checkpoint is loaded."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._columns: dict[str, int] | None = None  # None: not known, as in older checkpoints
        self._aside: dict[str, dict[str, Tensor]] = {}  # by parameter, by buffer

    def align(self, columns: Mapping[str, int]) -> None:
        """Bring the columns into the order of the step's Jacobian; call it before every step.

        Args:
            columns: How many columns each parameter has, by its name, in the order of the Jacobian.

        Raises:
            ValueError: If the state is from a checkpoint that does not say whose its columns are, and their number
                does not fit.
        """
        before = self._columns
        self._columns = dict(columns)
        filled = all(getattr(self, name).numel() for name in self.per_parameter)
        if not filled or (before is not None and list(before.items()) == list(columns.items())):
            return
        if before is None:
            self._check_width(sum(columns.values()))
        else:
            self._move(before, self._columns)

    def _check_width(self, width: int) -> None:
        for name in self.per_parameter:
            found = getattr(self, name).shape[-1]
            if found != width:
                raise ValueError(
                    f"`{name}` of {type(self).__name__} must have a column for each of the {width} numbers that are "
                    f"trained, got {found} from an older checkpoint, which does not say whose they are. Freeze the "
                    "layers that were frozen there, or start without `ckpt_path`."
                )

    def _move(self, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        old = {p: self._aside.pop(p) for p in list(self._aside) if p not in before}
        for name in self.per_parameter:
            parts = getattr(self, name).split(list(before.values()), dim=-1)
            for p, part in zip(before, parts, strict=True):
                old.setdefault(p, {})[name] = part
        added = [p for p, size in after.items() if p not in old or _width(old[p]) != size]
        for name in self.per_parameter:
            buffer = getattr(self, name)
            parts = [buffer.new_zeros(*buffer.shape[:-1], n) if p in added else old[p][name] for p, n in after.items()]
            setattr(self, name, torch.cat([part.to(buffer) for part in parts], dim=-1))
        if self.keeps_absent:
            absent = {p: state for p, state in old.items() if p not in after}
            self._aside = {p: {name: part.clone() for name, part in state.items()} for p, state in absent.items()}
        if added:
            self.start(added)

    def start(self, parameters: Sequence[str]) -> None:
        """Called when parameters are new among others that have state already; their columns are zero.

        Args:
            parameters: Their names.
        """

    def get_extra_state(self) -> dict[str, Any]:
        """Whose the columns are, and the columns of absent parameters, beside the state of the other classes."""
        state: dict[str, Any] = super().get_extra_state()
        return state if self._columns is None else {**state, "columns": dict(self._columns), "aside": dict(self._aside)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore it from a checkpoint; older ones do not say whose the columns are."""
        super().set_extra_state(state)
        columns = state.get("columns")
        self._columns, self.aligned_with = None if columns is None else dict(columns), None
        self._aside = {p: dict(parts) for p, parts in state.get("aside", {}).items()}


def _width(parts: Mapping[str, Tensor]) -> int:
    return next(iter(parts.values())).shape[-1]
