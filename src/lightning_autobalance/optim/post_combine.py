"""Base class of the post-combine optimizers."""

import math
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT
from torch.utils.hooks import RemovableHandle

from lightning_autobalance.jacobian import row_order
from lightning_autobalance.optim.loaded_state import check_state
from lightning_autobalance.utils.arguments import check_at_least
from lightning_autobalance.utils.plain import plain

_DeltaBuffers: TypeAlias = dict[Tensor, tuple[Tensor, tuple[Tensor, ...]]]  # by parameter: delta and its rows
UpdateHook: TypeAlias = Callable[[list[Tensor], list[Tensor]], None]


class PostCombine(Optimizer, ABC):
    r"""An optimizer that computes one update per loss term and combines the updates, not the gradients.

    .. math:: w \leftarrow (1 - \eta \lambda) \, w + \sum_i c_i \, \Delta_i

    :math:`\Delta_i` is the step that term i would take alone, with its own state. The weights :math:`c_i` are 1
    ("sum"), 1/m ("mean"), or a list of m numbers; the decay :math:`\lambda` is applied once per step, not once per
    term. The terms' gradients are read from ``p.jac`` (m, \*shape), where ``jacobian.backward(losses, params)`` or
    TorchJD's ``autojac.backward`` puts them. A parameter without ``jac`` is skipped, as torch skips one without
    ``grad``.

    The number of terms m is taken from the first step and kept in the parameter groups as ``terms``, so it is part of
    every checkpoint. Where the gradients bear the names of the terms, as those of ``backward`` do, so are the names, as
    ``term_names``, and rows that come in another order are matched by name.

    Args:
        params: Parameters, named parameters, or parameter groups, as in torch.
        defaults: Defaults of the groups' options; must include ``lr``, ``weight_decay`` and ``combine``.

    Raises:
        ValueError: If a hyper-parameter of a group is out of its range.
        TypeError: If a parameter is not of real floating-point type.
    """

    per_term: tuple[str, ...] = ()
    """Names of the states with one row per loss term, (m, \\*shape)."""
    per_parameter: tuple[str, ...] = ()
    """Names of the states that all terms share, one number each unless `_shape_of` says otherwise.

    If a class names its states, no others are loaded.
    """

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self._update_hooks: OrderedDict[int, UpdateHook] = OrderedDict()
        self._delta_buffers: _DeltaBuffers = {}
        super().__init__(params, {**defaults, "terms": None})

    @abstractmethod
    def _update_(self, deltas: list[Tensor], params: list[Tensor], jacs: list[Tensor], group: dict[str, Any]) -> None:
        r"""Advance the states of all terms by one step and write each term's own update into ``deltas``.

        Args:
            deltas: Zeros on entry; the updates :math:`\Delta_i`, lr and sign included, decay excluded, on exit;
                (m, \*shape) each.
            params: The parameters of the group that have a ``jac``.
            jacs: Their gradients, contiguous, (m, \*shape) each.
            group: The parameter group, with the hyper-parameters.
        """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one optimizer step.

        Args:
            closure: Called first, with grad enabled.

        Returns:
            The closure's result, or None.

        Raises:
            RuntimeError: If no parameter has a ``jac``.
            ValueError: If the shape of a ``jac`` does not match its parameter or the number of terms, or if it is of
                other terms than in the steps before.
            TypeError: If a ``jac`` is sparse, or differs from its parameter in type or device.
        """
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        updates = [update for update in map(self._prepare_update, self.param_groups) if update.params]
        _set_term_count(updates)
        _match_terms(updates, self.param_groups)
        for update in updates:
            torch._foreach_zero_(update.deltas)
            self._update_(update.deltas, update.params, update.jacs, update.group)
        for hook in list(self._update_hooks.values()):
            hook(list(chain(*[u.params for u in updates])), list(chain(*[u.deltas for u in updates])))
        for update in updates:
            _combine_(update)
        return result

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients, ``p.jac`` and ``p.grad``.

        Args:
            set_to_none: Remove them instead of filling them with zeros.
        """
        super().zero_grad(set_to_none)
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none and hasattr(p, "jac"):  # deleted: TorchJD adds to any `jac`, even to None
                    del p.jac
                elif getattr(p, "jac", None) is not None:
                    p.jac.zero_()

    def register_update_hook(self, hook: UpdateHook) -> RemovableHandle:
        r"""Call ``hook(params, deltas)`` in every step, after the terms' updates and before they are combined.

        Hooks only observe: their return value is ignored. They are not part of checkpoints or copies.

        Args:
            hook: Receives all parameters that move and, for each, the terms' updates (m, \*shape). The next step
                overwrites their memory: clone what you keep.

        Returns:
            A handle, whose ``remove()`` removes the hook.
        """
        handle = RemovableHandle(self._update_hooks)
        self._update_hooks[handle.id] = hook
        return handle

    def first_moments(self, params: Sequence[Tensor]) -> list[Tensor] | None:
        r"""The terms' running means of gradients after a step, in the parameters' coordinates.

        Args:
            params: Some of the parameters that moved.

        Returns:
            (m, \*shape) each; None if the optimizer keeps none.
        """
        return [self.state[p]["exp_avg"] for p in params] if "exp_avg" in self.per_term else None

    def combine_weights(self, params: Sequence[Tensor]) -> list[Tensor]:
        """The weights of the terms' updates in their sum, as ``combine`` of the group has them.

        Args:
            params: Some of the parameters that moved.

        Returns:
            (m,) for each.
        """
        by_param = {p: group for group in self.param_groups for p in group["params"]}
        return [torch.tensor(_weights(by_param[p]), dtype=torch.float64) for p in params]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group, as in torch, and validate its options.

        Args:
            param_group: ``params`` and the options that differ from the defaults. A parameter that is listed twice
                counts once.

        Raises:
            ValueError: If a hyper-parameter is out of its range.
            TypeError: If a parameter is not of real floating-point type.
        """
        if "params" in param_group:
            param_group["params"] = without_duplicates(param_group["params"])
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        group.update({name: plain(value) for name, value in group.items() if name != "params"})
        try:
            self._check_group(group)
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state, as in torch.

        Args:
            state_dict: From ``state_dict()`` of an optimizer of this class.

        Raises:
            ValueError: If it comes from another kind of optimizer, its parameter groups differ, or a state does not fit
                its parameter or is not finite. The optimizer is then as before.
        """
        self.check_state_dict(state_dict)
        super().load_state_dict(state_dict)

    def check_state_dict(self, state_dict: Mapping[str, Any], names: Mapping[Tensor, str] | None = None) -> None:
        """Check that a state can be loaded.

        Args:
            state_dict: From ``state_dict()`` of an optimizer of this class.
            names: Names of the parameters, for the error.

        Raises:
            ValueError: If it cannot; see `load_state_dict`.
        """
        if any("terms" not in group for group in state_dict["param_groups"]):
            raise ValueError(
                f"`state_dict` must come from {type(self).__name__}, got one with a single state for all loss terms. "
                "Start from the weights alone."
            )
        known = {*self.per_term, *self.per_parameter}
        for state in state_dict["state"].values():
            if known and state.keys() != known:
                raise ValueError(
                    f"`state_dict` must come from {type(self).__name__}, with the states {sorted(known)}, got one with "
                    f"{sorted(state)}. Start from the weights alone."
                )
        check_state(state_dict, self.param_groups, self._shape_of, names)

    def _shape_of(self, name: str, p: Tensor, group: Mapping[str, Any]) -> tuple[int, ...] | None:
        if name in self.per_term:
            return (group["terms"] or 0, *p.shape)
        return () if name in self.per_parameter else None

    def _check_group(self, group: dict[str, Any]) -> None:
        for p in group["params"]:
            if not p.is_floating_point():
                raise TypeError(f"`params` must be of real floating-point type, got {p.dtype}.")
        _check_scalar("lr", group["lr"])
        _check_scalar("weight_decay", group["weight_decay"])
        _check_combine(group["combine"])

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("_update_hooks", OrderedDict())
        self.__dict__.setdefault("_delta_buffers", {})

    def _prepare_update(self, group: dict[str, Any]) -> "_GroupUpdate":
        update = _GroupUpdate(group, [], [], [], [], [])
        # Reused from step to step: allocating them costs more than the arithmetic.
        buffers: _DeltaBuffers = {} if torch.compiler.is_compiling() else self._delta_buffers
        for p in group["params"]:
            jac = getattr(p, "jac", None)
            if jac is None:
                continue
            delta, rows = buffers.get(p, (None, ()))
            if delta is None or delta.shape != jac.shape or delta.dtype != jac.dtype or delta.device != jac.device:
                _check_jac(p, jac)
                delta = torch.empty_like(jac, memory_format=torch.contiguous_format)
                buffers[p] = delta, (rows := delta.unbind())
            update.params.append(p)
            update.jacs.append(jac.contiguous())
            update.names.append(getattr(jac, "terms", None))
            update.deltas.append(delta)
            update.rows.append(rows)
        return update


class _GroupUpdate(NamedTuple):
    """The tensors of one parameter group in one step."""

    group: dict[str, Any]
    params: list[Tensor]
    jacs: list[Tensor]
    deltas: list[Tensor]
    rows: list[tuple[Tensor, ...]]  # each delta, split by term
    names: list[tuple[str, ...] | None]  # of the terms, where the gradient bears them


def without_duplicates(params: Any) -> Any:
    """The parameters of a group, each once.

    Args:
        params: One parameter, or an iterable of parameters or of pairs of a name and a parameter.
    """
    if isinstance(params, Tensor | set):  # torch refuses a set, whose order changes
        return params
    unique: dict[Any, Any] = {}
    for entry in params:
        unique.setdefault(entry[1] if isinstance(entry, tuple) else entry, entry)
    return list(unique.values())


def _check_scalar(name: str, value: float | Tensor) -> None:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"`{name}` must be one number, got a tensor of shape {tuple(value.shape)}.")
    check_at_least(name, float(value), 0)


def _check_combine(combine: Any) -> None:
    if isinstance(combine, str):
        if combine not in ("sum", "mean"):
            raise ValueError(f'`combine` must be "sum", "mean" or a list of weights, got "{combine}".')
    elif not combine or not all(math.isfinite(weight) for weight in combine):
        raise ValueError(f"`combine` must hold one finite weight per loss term, got {combine}.")


def _check_jac(p: Tensor, jac: Tensor) -> None:
    if jac.layout != torch.strided:
        raise TypeError(f"`jac` must be dense, got {jac.layout}. Use `sparse=False` in embeddings.")
    if jac.dtype != p.dtype or jac.device != p.device:
        raise TypeError(
            f"`jac` must be of its parameter's type and on its device, {p.dtype} on {p.device}, got {jac.dtype} on "
            f"{jac.device}. Compute the gradients after moving the network."
        )
    if jac.dim() != p.dim() + 1 or jac.shape[1:] != p.shape or jac.shape[0] == 0:
        raise ValueError(
            f"`jac` must have the shape (m, *shape) with m loss terms for a parameter of shape {tuple(p.shape)}, got "
            f"{tuple(jac.shape)}."
        )


def _set_term_count(updates: list[_GroupUpdate]) -> None:
    """Check that all gradients have the same number of rows as in earlier steps, and record it in the groups."""
    found = {len(rows) for update in updates for rows in update.rows}
    if not found:
        raise RuntimeError(
            "At least one parameter must have a `jac`, the gradients of all loss terms, got none. Call "
            "`lightning_autobalance.backward(losses, params)` instead of `loss.backward()` before `optimizer.step()`."
        )
    if len(found) > 1:
        raise ValueError(f"`jac` must have one row per loss term on every parameter, got {sorted(found)} rows.")
    terms = found.pop()
    for group, *_ in updates:
        if group["terms"] not in (None, terms):
            raise ValueError(
                f"The optimizer was trained with {group['terms']} loss terms, found {terms}: it keeps one state per "
                "term. Give it the same terms in every step, or make a new optimizer."
            )
        if not isinstance(group["combine"], str) and len(group["combine"]) != terms:
            raise ValueError(
                f"`combine` must hold one weight per loss term, {terms}, got {len(group['combine'])} weights."
            )
    for group, *_ in updates:
        group["terms"] = terms


def _match_terms(updates: list[_GroupUpdate], groups: list[dict[str, Any]]) -> None:
    """Bring the rows of gradients that bear names into the order of the first step, which the groups keep."""
    found = [names for update in updates for names in update.names if names is not None]
    if not found:
        return
    # no `next` with a default: torch 2.6 and 2.7 cannot compile it
    expected = [*(group["term_names"] for group in groups if group.get("term_names")), list(found[0])][0]
    for update in updates:
        update.group.setdefault("term_names", expected)
        for i, names in enumerate(update.names):
            if names is None or list(names) == expected:
                continue
            order = row_order(expected, names)
            if order is None:
                raise ValueError(
                    f"The optimizer was trained with the loss terms {expected}, got {list(names)}: it keeps one state "
                    "per term. Give it the same terms in every step, or make a new optimizer."
                )
            update.jacs[i] = update.jacs[i][order]


def _combine_(update: _GroupUpdate) -> None:
    group, params = update.group, update.params
    if group["weight_decay"] != 0 and group.get("decoupled", True):
        lr, p = group["lr"], params[0]
        if isinstance(lr, Tensor):  # at least float32: half precision would round 1 - lr * decay
            lr = lr.squeeze().to(p.device, torch.promote_types(p.dtype, torch.float32))
        torch._foreach_mul_(params, 1 - lr * group["weight_decay"])
    for row, weight in zip(zip(*update.rows, strict=True), _weights(group), strict=True):
        torch._foreach_add_(params, row, alpha=weight)  # one term's update, for all parameters


def _weights(group: dict[str, Any]) -> list[float]:
    combine, terms = group["combine"], group["terms"]
    if isinstance(combine, str):
        return [1.0 if combine == "sum" else 1.0 / terms] * terms
    return list(combine)
