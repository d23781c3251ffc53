"""AutoSOAP: one Adam state per loss term, all in one eigenbasis of each weight matrix."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lightning_autobalance.optim.adam import adam_, check_moments
from lightning_autobalance.optim.eigenbasis import (
    State,
    as_matrices,
    average_grams_,
    basis_sizes,
    first_bases_,
    groups_of,
    refresh_bases_,
    rotate,
    rotate_back,
)
from lightning_autobalance.optim.post_combine import PostCombine
from lightning_autobalance.utils.arguments import check_at_least, check_interval, check_positive

SIDES = {"L": 0, "R": 1, "QL": 0, "QR": 1}


@final
class AutoSOAP(PostCombine):
    r"""SOAP with separate moments for every loss term, in an eigenbasis that the terms share; their steps are summed.

    For a weight matrix with the terms' gradients :math:`G_i` (r, c), :math:`n_i` the norm of term i's gradient:

    .. math::
        L &\leftarrow \beta_s L + (1 - \beta_s) \sum_i G_i G_i^\top / n_i^2, \qquad L \approx Q_L \Lambda_L Q_L^\top \\
        R &\leftarrow \beta_s R + (1 - \beta_s) \sum_i G_i^\top G_i / n_i^2, \qquad R \approx Q_R \Lambda_R Q_R^\top \\
        G_i' &= Q_L^\top G_i Q_R \\
        M_i &\leftarrow \beta_1 M_i + (1 - \beta_1) G_i' \qquad
        V_i \leftarrow \beta_2 V_i + (1 - \beta_2) G_i'^2 \\
        W &\leftarrow (1 - \eta \lambda) \, W - \eta \sum_i Q_L \left( \frac{M_i / (1 - \beta_1^k)}{\sqrt{V_i /
        (1 - \beta_2^k)} + \epsilon} \right) Q_R^\top

    The averages take the gradients at norm one, so that every term has the same say in the basis; the norm is that of
    the term's gradient by all parameters of the group. Hence fixed loss weights have no effect up to ``eps``, as in
    ``AutoAdamW``, which this is where the basis is the identity. A vector is a matrix of one column, and has a basis on
    its left; further dimensions of a parameter lie side by side, (shape[0], -1).

    Gradients are read from ``p.jac`` (m, \*shape); ``lightning_autobalance.backward(losses, params)`` puts them there.
    Memory: 2 m n numbers of optimizer state, and 2 (r² + c²) for each matrix.

    Args:
        params: Parameters, named parameters, or parameter groups, as in torch; float32 or float64.
        lr: Learning rate.
        betas: Decay rates of the first and second moments, in [0, 1).
        eps: Added to the square root; positive.
        weight_decay: Decoupled decay, applied once per step rather than once per term.
        combine: How the terms' steps are added: "sum", "mean", or one weight per term.
        shampoo_beta: :math:`\beta_s`, in [0, 1); the second of ``betas`` if None.
        precondition_frequency: Steps from one refresh of the bases to the next, at least 1. A refresh costs a QR
            decomposition of each side.
        max_precondition_dim: A side that is longer keeps the identity as its basis; with 0 all do.

    Raises:
        ValueError: If a hyper-parameter is out of its range.
        TypeError: If a parameter is not of type float32 or float64.

    Reference:
        SOAP (arXiv 2409.11321), Algorithm 3. One state per term is AutoBalance (arXiv 2510.06684); that the states
        share a basis is ours.

    Note:
        Departures from SOAP's algorithm and code:

        - The Gram matrices are those of all terms, each of norm one, and their averages start at the first ones, not at
          zero.
        - SOAP's first step only prepares the basis. Ours is AutoAdamW's: the first Gram matrices have a low rank, and
          in their basis Adam would take full steps along rounding errors in all other directions. Their eigenvectors
          are the basis from the second step on.
        - First moments lie in the basis and are rotated when it is refreshed, where SOAP rotates them in every step:
          equal up to rounding, and half of the products.
        - Vectors have a basis, too, which SOAP's code leaves off by default. ``weight_decay`` is 0, SOAP's is 0.01.

        As in SOAP, the second moments of a refreshed basis are those of the vectors before. Where the gradients so far
        span less than a side, as those of two terms in a bias, the rest of its basis is arbitrary.

        Which steps refresh the bases is decided on the CPU, so the step cannot be captured in a CUDA graph or compiled
        as one graph.
    """

    per_term = ("exp_avg", "exp_avg_sq")
    per_parameter = ("step", *SIDES)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 3e-3,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        combine: Literal["sum", "mean"] | list[float] = "sum",
        *,
        shampoo_beta: float | None = None,
        precondition_frequency: int = 10,
        max_precondition_dim: int = 10_000,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "combine": combine,
                "shampoo_beta": shampoo_beta,
                "precondition_frequency": precondition_frequency,
                "max_precondition_dim": max_precondition_dim,
            },
        )

    def _check_group(self, group: dict[str, Any]) -> None:
        super()._check_group(group)
        for p in group["params"]:
            _check_precision(p)
        check_positive("eps", float(group["eps"]))
        for i, beta in enumerate(group["betas"]):
            check_interval(f"betas[{i}]", beta, 0, 1)
        if group["shampoo_beta"] is not None:
            check_interval("shampoo_beta", group["shampoo_beta"], 0, 1)
        check_at_least("precondition_frequency", group["precondition_frequency"], 1)
        check_at_least("max_precondition_dim", group["max_precondition_dim"], 0)

    def _update_(self, deltas: list[Tensor], params: list[Tensor], jacs: list[Tensor], group: dict[str, Any]) -> None:
        if params[0].device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            raise RuntimeError("AutoSOAP must not step in a CUDA graph: the steps that refresh its bases differ.")
        states = [self._state_of(p, jac, group) for p, jac in zip(params, jacs, strict=True)]
        with torch.autocast(params[0].device.type, enabled=False):  # which would take the products in bfloat16
            stacks = _stacks(states, jacs, deltas)
            _adam_in_the_bases_(stacks, group)
            _average_grams_(stacks, group["betas"][1] if group["shampoo_beta"] is None else group["shampoo_beta"])
            first_bases_([state for state in states if _is_first(state)], group["betas"])
            refresh_bases_([state for state in states if _is_due(state, group["precondition_frequency"])])

    def _state_of(self, p: Tensor, jac: Tensor, group: dict[str, Any]) -> State:
        _check_precision(p)
        state: State = self.state[p]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)  # on the CPU, where reading it waits for no GPU
            state["exp_avg"] = torch.zeros_like(jac)
            state["exp_avg_sq"] = torch.zeros_like(jac)
            for side, size in zip("LR", basis_sizes(p.shape, group["max_precondition_dim"]), strict=True):
                state[side] = p.new_zeros(size, size)
                state[f"Q{side}"] = torch.eye(size, dtype=p.dtype, device=p.device)
        check_moments(state, jac)
        if state["exp_avg"].dtype != p.dtype or state["exp_avg"].device != p.device:  # the network was moved
            state.update({name: value.to(p) for name, value in state.items() if name != "step"})
        if state["step"].device.type != "cpu":
            state["step"] = state["step"].cpu()
        return state

    def first_moments(self, params: Sequence[Tensor]) -> list[Tensor]:
        """As of the base class: rotated back from their bases."""
        states = [self.state[p] for p in params]
        return [
            rotate_back(as_matrices(s["exp_avg"])[None], s["QL"][None], s["QR"][None]).view_as(s["exp_avg"])
            for s in states
        ]

    def _shape_of(self, name: str, p: Tensor, group: Mapping[str, Any]) -> tuple[int, ...] | None:
        if name in SIDES:
            size = basis_sizes(p.shape, group["max_precondition_dim"])[SIDES[name]]
            return (size, size)
        return super()._shape_of(name, p, group)


class _Stack(NamedTuple):
    """Parameters whose matrices, bases and step counts are of one kind: each product is taken for all of them."""

    states: list[State]
    grads: Tensor  # (k, m, r, c)
    deltas: list[Tensor]  # (m, r, c) each
    left: Tensor  # (k, r, r), or (k, 0, 0)
    right: Tensor  # (k, c, c), or (k, 0, 0)


def _stacks(states: list[State], jacs: list[Tensor], deltas: list[Tensor]) -> list[_Stack]:
    triples = zip(states, map(as_matrices, jacs), map(as_matrices, deltas), strict=True)
    return [
        _Stack([s for s, _, _ in alike], torch.stack([g for _, g, _ in alike]), [d for _, _, d in alike], *bases)
        for alike in groups_of(triples, lambda triple: _kind(*triple[:2]))
        for bases in [[torch.stack([s[name] for s, _, _ in alike]) for name in ("QL", "QR")]]
    ]


def _kind(state: State, grad: Tensor) -> Hashable:
    return grad.shape, grad.dtype, grad.device, len(state["L"]), len(state["R"]), int(state["step"])


def _adam_in_the_bases_(stacks: list[_Stack], group: dict[str, Any]) -> None:
    """Advance moments and step counts, and write each term's update into the deltas, in the parameters' coordinates."""
    states = [state for alike in stacks for state in alike.states]
    rotated = [rotate(alike.grads, alike.left, alike.right) for alike in stacks]
    moved = [torch.zeros_like(grads) for grads in rotated]
    fused = states[0]["exp_avg"].device.type == "cpu"
    adam_(
        [delta for part in moved for delta in part.unbind()],
        [grad for part in rotated for grad in part.unbind()],
        [as_matrices(state["exp_avg"]) for state in states],
        [as_matrices(state["exp_avg_sq"]) for state in states],
        [state["step"] for state in states],
        group={**group, "capturable": False, "foreach": not fused and not isinstance(group["lr"], Tensor)},
        fused=fused,
    )
    for alike, part in zip(stacks, moved, strict=True):
        torch._foreach_copy_(alike.deltas, list(rotate_back(part, alike.left, alike.right).unbind()))


def _average_grams_(stacks: list[_Stack], beta: float) -> None:
    scales = _inverse_norms(stacks)
    for alike in stacks:
        weight = 1.0 if _is_first(alike.states[0]) else 1 - beta
        average_grams_(alike.states, alike.grads * scales.to(alike.grads).view(-1, 1, 1), weight)


def _inverse_norms(stacks: list[_Stack]) -> Tensor:
    """One over the norm of each term's gradient by all parameters, (m,); 0 for a term that reaches none."""
    squares = [alike.grads.square().sum(dim=(0, 2, 3)) for alike in stacks]
    total = torch.stack([square.to(squares[0]) for square in squares]).sum(dim=0)
    return torch.where(total > 0, total.rsqrt(), 0.0)


def _is_first(state: State) -> bool:
    return int(state["step"]) == 1


def _is_due(state: State, frequency: int) -> bool:
    return not _is_first(state) and int(state["step"]) % frequency == 0


def _check_precision(p: Tensor) -> None:
    if p.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"`params` must be of type float32 or float64 for AutoSOAP, got {p.dtype}: its bases lose their right "
            "angles in half precision. Keep the weights in float32, as bf16-mixed does."
        )
