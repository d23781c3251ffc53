"""The algorithms of ``AutoAdamW`` and ``AutoSOAP``, written for reading. Tests compare the optimizers with them."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lightning_autobalance.shapes import JacBlock, Losses, Matrix, Param, ParamJac


def auto_adamw_reference_(
    param: Param,
    jac: ParamJac,
    exp_avg: ParamJac,
    exp_avg_sq: ParamJac,
    *,
    step: int,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    combine: Literal["sum", "mean"] | list[float] = "sum",
    eps_root: float = 0.0,
) -> None:
    r"""Take one AutoAdamW step for one parameter, in place, one loss term after the other.

    Args:
        param: The parameter, of any shape.
        jac: Row i is the gradient of term i, (m, \*shape).
        exp_avg: First moments, (m, \*shape), zero before the first step; updated in place.
        exp_avg_sq: Second moments, (m, \*shape), likewise.
        step: Number of this step, counted from 1.
        lr: Learning rate.
        betas: Decay rates of the first and second moments.
        eps: Added to the square root.
        weight_decay: Decoupled decay, applied once.
        combine: How the terms' steps are added: "sum", "mean", or one weight per term.
        eps_root: Added under the square root.

    Reference:
        The AutoBalance paper (arXiv 2510.06684), Algorithm 1, which prints eps under the square root, and section 3.3,
        which puts it outside.
    """
    beta1, beta2 = betas
    terms = len(jac)
    param.mul_(1 - lr * weight_decay)
    for i in range(terms):
        exp_avg[i] = beta1 * exp_avg[i] + (1 - beta1) * jac[i]
        exp_avg_sq[i] = beta2 * exp_avg_sq[i] + (1 - beta2) * jac[i] ** 2
        mean = exp_avg[i] / (1 - beta1**step)
        square = exp_avg_sq[i] / (1 - beta2**step)
        direction = mean / ((square + eps_root).sqrt() + eps)
        weight = combine[i] if isinstance(combine, list) else {"sum": 1.0, "mean": 1.0 / terms}[combine]
        param.sub_(lr * weight * direction)


@dataclass
class SoapState:
    """What `auto_soap_reference_` keeps for one weight matrix (r, c): both bases, and both moments of every term.

    Args:
        exp_avg: First moments, in the coordinates of the parameter, (m, r, c).
        exp_avg_sq: Second moments, in the basis, (m, r, c).
        left: :math:`L`, (r, r).
        right: :math:`R`, (c, c).
        q_left: :math:`Q_L`, the identity before the first step.
        q_right: :math:`Q_R`, likewise.
    """

    exp_avg: Tensor
    exp_avg_sq: Tensor
    left: Tensor
    right: Tensor
    q_left: Tensor
    q_right: Tensor

    @classmethod
    def zero(cls, jac: JacBlock) -> "SoapState":
        """The state before the first step, for gradients of this shape, (m, r, c)."""
        _, r, c = jac.shape
        left, right = jac.new_zeros(r, r), jac.new_zeros(c, c)
        return cls(
            torch.zeros_like(jac), torch.zeros_like(jac), left, right, torch.eye(r).to(jac), torch.eye(c).to(jac)
        )


def auto_soap_reference_(
    param: Matrix,
    jac: JacBlock,
    state: SoapState,
    norms: Losses,
    *,
    step: int,
    lr: float,
    betas: tuple[float, float] = (0.95, 0.95),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    precondition_frequency: int = 10,
) -> None:
    """Take one AutoSOAP step for one weight matrix, in place, one loss term after the other.

    Both sides have a basis; a vector is a matrix of one column, whose basis on the right is 1. The first moments stay
    in the coordinates of the parameter, and are rotated in every step.

    Args:
        param: The matrix, (r, c).
        jac: Row i is the gradient of term i, (m, r, c).
        state: Updated in place.
        norms: Norm of each term's gradient by all parameters of the group.
        step: Number of this step, counted from 1.
        lr: Learning rate.
        betas: Decay rates of the first and second moments; the second is that of the Gram matrices, too.
        eps: Added to the square root.
        weight_decay: Decoupled decay, applied once.
        precondition_frequency: Steps from one refresh of the bases to the next.
    """
    beta1, beta2 = betas
    q_left, q_right = state.q_left, state.q_right
    param.mul_(1 - lr * weight_decay)
    for i in range(len(jac)):
        state.exp_avg[i] = beta1 * state.exp_avg[i] + (1 - beta1) * jac[i]
        state.exp_avg_sq[i] = beta2 * state.exp_avg_sq[i] + (1 - beta2) * (q_left.T @ jac[i] @ q_right) ** 2
        mean = q_left.T @ state.exp_avg[i] @ q_right / (1 - beta1**step)
        square = state.exp_avg_sq[i] / (1 - beta2**step)
        param.sub_(lr * q_left @ (mean / (square.sqrt() + eps)) @ q_right.T)
    units = [gradient / norm for gradient, norm in zip(jac, norms, strict=True) if norm > 0]
    new = 1.0 if step == 1 else 1 - beta2
    state.left = (1 - new) * state.left + new * sum(unit @ unit.T for unit in units)
    state.right = (1 - new) * state.right + new * sum(unit.T @ unit for unit in units)
    if step == 1:
        state.q_left = torch.linalg.eigh(state.left).eigenvectors.flip(1)
        state.q_right = torch.linalg.eigh(state.right).eigenvectors.flip(1)
        for i in range(len(jac)):
            state.exp_avg_sq[i] = (1 - beta2) * (state.q_left.T @ jac[i] @ state.q_right) ** 2
    elif step % precondition_frequency == 0:
        order = (q_left.T @ state.left @ q_left).diagonal().argsort(descending=True)
        state.q_left = torch.linalg.qr(state.left @ q_left[:, order]).Q
        state.exp_avg_sq = state.exp_avg_sq[:, order]
        order = (q_right.T @ state.right @ q_right).diagonal().argsort(descending=True)
        state.q_right = torch.linalg.qr(state.right @ q_right[:, order]).Q
        state.exp_avg_sq = state.exp_avg_sq[:, :, order]
