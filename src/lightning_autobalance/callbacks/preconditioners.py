"""What an optimizer of Adam's kind divides each term's gradient by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

from lightning_autobalance.optim import AutoAdam, AutoAdamW, AutoBalance, PostCombine

ADAMS = (Adam, AdamW)  # not their relatives: SOAP keeps its moments in rotated coordinates


@dataclass(frozen=True)
class Preconditioner:
    r"""The diagonal :math:`D_i^{-1/2}` of every term.

    Args:
        kind: "autobalance", where each term has its own, or "adam", where all share one.
        scales: One (n,) per term.
        weights: What the updates of the terms are multiplied by before they are summed.
    """

    kind: str
    scales: list[Tensor]
    weights: list[float]


def preconditioner(optimizer: Optimizer, params: Sequence[Tensor], terms: int) -> Preconditioner | None:
    r"""The preconditioner that an optimizer's state holds.

    .. math:: D = \mathrm{diag} \bigl( \sqrt{\hat v + \epsilon_r} + \epsilon \bigr)

    Args:
        optimizer: ``AutoAdamW``, ``AutoAdam``, ``AutoBalance`` around torch's Adam or AdamW, or one of these itself.
        params: The n parameters it moves, in the order wished for. One without state, or with D = 0, gets zeros.
        terms: Number m of loss terms.

    Returns:
        None before the first step, and where the optimizer has no such diagonal.
    """
    rows = _rows(optimizer, terms)
    if not rows or not any(rows[0].values()):
        return None
    scales = [torch.cat([_scale(row.get(p, {}), p) for p in params]) for row in rows]
    if isinstance(optimizer, PostCombine):
        return Preconditioner("autobalance", scales, _combination(optimizer.param_groups[0]["combine"], terms))
    return Preconditioner("adam", scales * terms, [1.0] * terms)


def is_known(optimizer: Optimizer) -> bool:
    """Whether the optimizer has a preconditioner that can be read, once it has stepped.

    Args:
        optimizer: Any.
    """
    if isinstance(optimizer, AutoBalance):
        return optimizer.wrapped in ADAMS
    return isinstance(optimizer, AutoAdamW | AutoAdam) or type(optimizer) in ADAMS


def _rows(optimizer: Optimizer, terms: int) -> list[dict[Tensor, dict[str, Any]]]:
    """For each term, or for all in one, a parameter's second moment and what belongs to it."""
    if not is_known(optimizer):
        return []
    if isinstance(optimizer, AutoBalance):
        return [_inner(optimizer, i) for i in range(terms)]
    found = {
        p: {**optimizer.state[p], **_options(group)}
        for group in optimizer.param_groups
        for p in group["params"]
        if optimizer.state.get(p)
    }
    if not isinstance(optimizer, PostCombine):
        return [found]
    return [{p: {**kept, "exp_avg_sq": kept["exp_avg_sq"][i]} for p, kept in found.items()} for i in range(terms)]


def _inner(optimizer: AutoBalance, term: int) -> dict[Tensor, dict[str, Any]]:
    found: dict[Tensor, dict[str, Any]] = {}
    for number, states in optimizer.state_dict()["optimizers"].items():
        group = optimizer.param_groups[number]
        for index, state in states[term]["state"].items():
            found[group["params"][index]] = {**state, **_options(group)}
    return found


def _options(group: Mapping[str, Any]) -> dict[str, Any]:
    eps = {name: float(group.get(name, 0.0)) for name in ("eps", "eps_root")}
    return {"beta2": float(group["betas"][1]), **eps}


def _scale(kept: Mapping[str, Any], p: Tensor) -> Tensor:
    if not kept:
        return p.new_zeros(p.numel(), dtype=torch.float64)
    square = kept.get("max_exp_avg_sq", kept["exp_avg_sq"]).detach().reshape(-1).to(torch.float64)
    correction = 1 - kept["beta2"] ** float(kept["step"]) if "step" in kept else 1.0
    divisor = (square / correction + kept["eps_root"]).sqrt() + kept["eps"]
    return torch.where(divisor > 0, divisor.rsqrt(), 0.0)


def _combination(combine: Any, terms: int) -> list[float]:
    if isinstance(combine, str):
        return [1.0 if combine == "sum" else 1.0 / terms] * terms
    return [float(weight) for weight in combine]
