"""AutoBalance: post-combine around any torch optimizer."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, final

import torch
from torch import Tensor
from torch.optim import LBFGS, Optimizer, SparseAdam
from torch.optim.optimizer import ParamsT

from lightning_autobalance.optim.loaded_state import check_state, shapes_of
from lightning_autobalance.optim.post_combine import PostCombine, without_duplicates

DECOUPLED_FLAGS = ("decoupled_weight_decay", "weight_decouple")  # in groups of torch and of pytorch-optimizer
ALWAYS_DECOUPLED = ("AdamW", "Muon", "Adafactor")  # classes of torch.optim; older versions have no Muon
OWN_OPTIONS = ("params", "param_names", "combine", "terms", "decoupled", "weight_decay")


@final
class AutoBalance(PostCombine):
    r"""Post-combine around any torch optimizer: every loss term has its own optimizer, and the updates are combined.

    .. math:: w \leftarrow (1 - \eta \lambda) \, w + \sum_i c_i \, \bigl( \mathrm{step}_i(w, g_i) - w \bigr)

    The optimizer of term i steps a copy of the parameters along that term's gradient; the displacement of the copy is
    the term's update. ``AutoBalance(params, torch.optim.AdamW)`` computes the same as ``AutoAdamW``, but slower: it
    takes m AdamW steps one after the other and keeps m copies of the parameters.

    The parameter groups hold the options of the wrapped optimizer, so learning rate schedules work as they do on it.

    Args:
        params: Parameters, named parameters, or parameter groups, as in torch.
        optimizer: The optimizer to wrap: a class, or any callable that makes an optimizer from parameters.
        combine: How the terms' updates are added: "sum", "mean", or one weight per term.
        decoupled: Whether the wrapped optimizer's ``weight_decay`` is decoupled. If so, it is applied once per step
            instead of once per term; if not, it is part of each term's gradient. By default this is inferred for
            torch's optimizers and for those that flag it in their groups.
        options: Options of the wrapped optimizer, such as ``lr=1e-2``.

    Raises:
        ValueError: If a hyper-parameter is out of its range; if the optimizer evaluates the losses several times per
            step, is itself post-combine, or has no ``lr``; or if it has weight decay of unknown kind.
        TypeError: If a parameter is not of real floating-point type.

    Reference:
        The AutoBalance paper (arXiv 2510.06684), section 3.1, which shows it with AdamW.

    Note:
        A term that does not depend on a parameter gives it a zero gradient. An optimizer without decay whose state
        starts at zero then does not move it.
    """

    def __init__(
        self,
        params: ParamsT,
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        combine: Literal["sum", "mean"] | list[float] = "sum",
        decoupled: bool | None = None,
        **options: Any,
    ) -> None:
        self._make: Callable[..., Optimizer] = partial(optimizer, **options) if options else optimizer
        # One optimizer per term, by index of the parameter group; made in the first step.
        self._optimizers: dict[int, list[Optimizer]] = {}
        self._states: dict[int, list[dict[str, Any]]] = {}  # loaded, for optimizers that are not made yet
        groups = _groups(params)
        single = self._make(groups)  # validates the options and the parameters, and fills in the defaults
        _check_wrapped(single)
        self._wrapped = type(single)
        self._options = tuple(name for name in single.defaults if name not in OWN_OPTIONS)
        self._decays = "weight_decay" in single.defaults
        defaults = {"weight_decay": 0.0, **single.defaults, "combine": combine, "decoupled": decoupled}
        super().__init__([dict(group) for group in single.param_groups], defaults)

    @property
    def wrapped(self) -> type[Optimizer]:
        """Class of the wrapped optimizer."""
        return self._wrapped

    def _check_group(self, group: dict[str, Any]) -> None:
        super()._check_group(group)
        if group["decoupled"] is None:
            group["decoupled"] = _is_decoupled(self._wrapped, group)

    def _update_(self, deltas: list[Tensor], params: list[Tensor], jacs: list[Tensor], group: dict[str, Any]) -> None:
        moving = set(params)
        for i, optimizer in enumerate(self._term_optimizers(group)):
            (inner,) = optimizer.param_groups
            inner.update(self._inner_options(group))
            copies = [copy for copy, p in zip(inner["params"], group["params"], strict=True) if p in moving]
            torch._foreach_copy_(copies, params)
            for copy, jac in zip(copies, jacs, strict=True):
                copy.grad = jac[i]
            optimizer.step()
            optimizer.zero_grad()
            torch._foreach_copy_([delta[i] for delta in deltas], torch._foreach_sub(copies, params))

    def _inner_options(self, group: dict[str, Any]) -> dict[str, Any]:
        options = {name: group[name] for name in self._options}
        if self._decays:
            options["weight_decay"] = 0.0 if group["decoupled"] else group["weight_decay"]
        return options

    def _term_optimizers(self, group: dict[str, Any]) -> list[Optimizer]:
        index = next(i for i, other in enumerate(self.param_groups) if other is group)
        if index in self._optimizers and not _same_dtype_and_device(self._optimizers[index][0], group):
            self._states[index] = [optimizer.state_dict() for optimizer in self._optimizers.pop(index)]
        if index not in self._optimizers:
            self._optimizers[index] = [self._make_term_optimizer(group) for _ in range(group["terms"])]
            for optimizer, state in zip(self._optimizers[index], self._states.pop(index, ()), strict=False):
                optimizer.load_state_dict(state)
        return self._optimizers[index]

    def _make_term_optimizer(self, group: dict[str, Any]) -> Optimizer:
        copies = [p.detach().clone().requires_grad_() for p in group["params"]]
        return self._make([{"params": copies, **self._inner_options(group)}])

    def first_moments(self, params: Sequence[Tensor]) -> list[Tensor] | None:
        """As of the base class: those of torch's optimizers, which lie in the parameters' coordinates."""
        by_param = {
            p: [optimizer.state[optimizer.param_groups[0]["params"][i]] for optimizer in made]
            for index, made in self._optimizers.items()
            for i, p in enumerate(self.param_groups[index]["params"])
        }
        states = [by_param[p] for p in params]
        if _class_of_torch(self._wrapped) is None or any("exp_avg" not in state for of in states for state in of):
            return None
        return [torch.stack([state["exp_avg"] for state in of_terms]) for of_terms in states]

    def _all_states(self) -> dict[int, list[dict[str, Any]]]:
        current = {i: [optimizer.state_dict() for optimizer in made] for i, made in self._optimizers.items()}
        return self._states | current

    def state_dict(self) -> dict[str, Any]:
        """As in torch; ``optimizers`` holds the states of the terms' optimizers by index of the parameter group."""
        return {**super().state_dict(), "optimizers": self._all_states()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state, as in torch.

        Args:
            state_dict: From ``state_dict()`` of an ``AutoBalance`` around the same optimizer.

        Raises:
            ValueError: If it comes from another kind of optimizer, its parameter groups differ, or a state does not fit
                its parameter or is not finite. The optimizer is then as before.
        """
        super().load_state_dict(state_dict)
        self._optimizers, self._states = {}, dict(state_dict["optimizers"])

    def check_state_dict(self, state_dict: Mapping[str, Any], names: Mapping[Tensor, str] | None = None) -> None:
        """Check that a state can be loaded, with the states of all terms' optimizers."""
        if "optimizers" not in state_dict:
            raise ValueError("`state_dict` must come from AutoBalance, got one without the terms' `optimizers`.")
        super().check_state_dict(state_dict, names)
        for index, of_terms in state_dict["optimizers"].items():
            group, saved = self.param_groups[index : index + 1], state_dict["param_groups"][index]
            if len(of_terms) != saved["terms"]:
                raise ValueError(f"`optimizers` must hold {saved['terms']} states, one per term, got {len(of_terms)}.")
            if missing := sorted({*self._options} - saved.keys()):
                raise ValueError(
                    f"`state_dict` must come from AutoBalance around {self._wrapped.__name__}, got one without its "
                    f"options {missing}. Start from the weights alone."
                )
            for state in of_terms:
                check_state(state, group, shapes_of(self._wrapped), names)

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: self.__dict__[name] for name in ("_make", "_wrapped", "_options", "_decays")}
        # The states, not the optimizers, because not every optimizer can be copied.
        return {**super().__getstate__(), **kept, "_optimizers": {}, "_states": self._all_states()}


def _groups(params: ParamsT) -> Any:
    entries: list[Any] = list(params)
    if any(isinstance(entry, dict) for entry in entries):
        return [{**group, "params": without_duplicates(group["params"])} for group in entries]
    return without_duplicates(entries)


def _check_wrapped(optimizer: Optimizer) -> None:
    name = type(optimizer).__name__
    if isinstance(optimizer, LBFGS):
        raise ValueError(
            f"`optimizer` must evaluate the losses once per step, got {name}. Use a first-order optimizer, and LBFGS "
            "as `finish` of a `PINNModule` for the last steps."
        )
    if isinstance(optimizer, SparseAdam):
        raise ValueError(
            f"`optimizer` must take dense gradients, got {name}, which takes only sparse ones. Use torch.optim.Adam."
        )
    if isinstance(optimizer, PostCombine):
        raise ValueError(f"`optimizer` must be an ordinary torch optimizer, got {name}, which is post-combine itself.")
    if "lr" not in optimizer.defaults:
        raise ValueError(f"`optimizer` must have a learning rate `lr`, got {name} with {sorted(optimizer.defaults)}.")


def _is_decoupled(wrapped: type[Optimizer], group: dict[str, Any]) -> bool:
    for flag in DECOUPLED_FLAGS:
        if flag in group:
            return bool(group[flag])
    of_torch = _class_of_torch(wrapped)
    if of_torch is not None:
        return of_torch.__name__ in ALWAYS_DECOUPLED
    if group["weight_decay"] == 0:
        return False
    raise ValueError(
        f"`decoupled` must be given for {wrapped.__name__} with `weight_decay` {group['weight_decay']}: nothing tells "
        "whether it shrinks the weights themselves (true: once per step) or is added to the gradient (false: of each "
        "term). Or give `weight_decay=0`."
    )


def _class_of_torch(wrapped: type[Optimizer]) -> type[Optimizer] | None:
    """The class of ``torch.optim`` whose ``step`` this one takes."""
    for base in wrapped.__mro__:
        if base is not Optimizer and getattr(torch.optim, base.__name__, None) is base:
            same = inspect.unwrap(wrapped.step) is inspect.unwrap(base.step)  # torch wraps `step` of every class
            return base if same else None
    return None


def _same_dtype_and_device(optimizer: Optimizer, group: dict[str, Any]) -> bool:
    (inner,) = optimizer.param_groups
    return all(
        copy.dtype == p.dtype and copy.device == p.device
        for copy, p in zip(inner["params"], group["params"], strict=True)
    )
