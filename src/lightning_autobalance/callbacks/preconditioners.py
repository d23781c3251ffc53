"""The diagonal preconditioners of Adam and its relatives, per loss term."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

from lightning_autobalance.optim import AutoAdam, AutoAdamW, AutoBalance, PostCombine

ADAMS = (Adam, AdamW)  # no subclasses: SOAP, for one, keeps its moments in rotated coordinates


@dataclass(frozen=True)
class Preconditioner:
    r"""The diagonal :math:`D_i^{-1/2}` of every term.

    Args:
        kind: "autobalance" if each term has its own, "adam" if all share one.
        scales: The diagonal of each term, (n,).
        weights: Factors of the terms' updates in their sum.
    """

    kind: str
    scales: list[Tensor]
    weights: list[float]


def preconditioner(optimizer: Optimizer, params: Sequence[Tensor], terms: int) -> Preconditioner | None:
    r"""The preconditioner that an optimizer's state holds.

    .. math:: D = \mathrm{diag} \bigl( \sqrt{\hat v + \epsilon_r} + \epsilon \bigr)

    Args:
        optimizer: Any optimizer; only ``AutoAdamW``, ``AutoAdam``, torch's Adam and AdamW, and ``AutoBalance`` around
            these two have a preconditioner.
        params: Its parameters with n entries in total, in the order of the result. Entries without state, or with
            D = 0, get 0.
        terms: Number m of loss terms.

    Returns:
        None before the first step, and for other optimizers.
    """
    moments = _second_moments(optimizer, terms)
    if not moments or not any(moments[0].values()):
        return None
    scales = [torch.cat([_scale(by_param.get(p, {}), p) for p in params]) for by_param in moments]
    if isinstance(optimizer, PostCombine):
        return Preconditioner("autobalance", scales, _combine_weights(optimizer.param_groups[0]["combine"], terms))
    return Preconditioner("adam", scales * terms, [1.0] * terms)


def is_known(optimizer: Optimizer) -> bool:
    """Whether `preconditioner` can read the state of the optimizer, once it has taken a step."""
    if isinstance(optimizer, AutoBalance):
        return optimizer.wrapped in ADAMS
    return isinstance(optimizer, AutoAdamW | AutoAdam) or type(optimizer) in ADAMS


def _second_moments(optimizer: Optimizer, terms: int) -> list[dict[Tensor, dict[str, Any]]]:
    """By parameter, its state and options: one mapping per term, or a single one shared by all; [] if unknown."""
    if not is_known(optimizer):
        return []
    if isinstance(optimizer, AutoBalance):
        return [_second_moments_inside(optimizer, i) for i in range(terms)]
    by_param = {
        p: {**optimizer.state[p], **_options(group)}
        for group in optimizer.param_groups
        for p in group["params"]
        if optimizer.state.get(p)
    }
    if not isinstance(optimizer, PostCombine):
        return [by_param]
    return [{p: {**state, "exp_avg_sq": state["exp_avg_sq"][i]} for p, state in by_param.items()} for i in range(terms)]


def _second_moments_inside(optimizer: AutoBalance, term: int) -> dict[Tensor, dict[str, Any]]:
    by_param: dict[Tensor, dict[str, Any]] = {}
    for number, states in optimizer.state_dict()["optimizers"].items():
        group = optimizer.param_groups[number]
        for index, state in states[term]["state"].items():
            by_param[group["params"][index]] = {**state, **_options(group)}
    return by_param


def _options(group: Mapping[str, Any]) -> dict[str, Any]:
    eps = {name: float(group.get(name, 0.0)) for name in ("eps", "eps_root")}
    return {"beta2": float(group["betas"][1]), **eps}


def _scale(state: Mapping[str, Any], p: Tensor) -> Tensor:
    if not state:
        return p.new_zeros(p.numel(), dtype=torch.float64)
    square = state.get("max_exp_avg_sq", state["exp_avg_sq"]).detach().reshape(-1).to(torch.float64)
    correction = 1 - state["beta2"] ** float(state["step"]) if "step" in state else 1.0
    divisor = (square / correction + state["eps_root"]).sqrt() + state["eps"]
    return torch.where(divisor > 0, divisor.rsqrt(), 0.0)


def _combine_weights(combine: Any, terms: int) -> list[float]:
    if isinstance(combine, str):
        return [1.0 if combine == "sum" else 1.0 / terms] * terms
    return [float(weight) for weight in combine]
