"""Consistency of the exact solution with the residuals."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lightning_autobalance.checks.residuals import check_residuals, few_points
from lightning_autobalance.field import NeuralField
from lightning_autobalance.points.measured_parts import TARGETS
from lightning_autobalance.training.unknowns import fill_unknown_

TOLERANCE = 1e-5  # relative to the scale of the term; float64 reaches 1e-10, but constants may be stored in float32


def check_exact(
    field: NeuralField,
    points: Mapping[str, Tensor] | None = None,
    tolerance: float = TOLERANCE,
    noisy: Collection[str] = (),
) -> dict[str, float]:
    r"""Check in float64 that the residuals of the exact solution vanish.

    .. math:: \max_j |r_j(u_{exact})| \le \epsilon s, \quad s = \max(1, \max_j |r_j(0)|)

    Args:
        field: A field that defines ``exact``.
        points: By part, each (b, d). By default 64 points in every part of the domain.
        tolerance: :math:`\epsilon`, > 0.
        noisy: Terms that are left out, beside those in ``measured``.

    Returns:
        By term, the largest absolute residual divided by the scale s of the term; measured terms are left out.

    Raises:
        MisconfigurationException: If a residual exceeds the tolerance, or bypasses ``self(x)`` and ``self.partials``,
            or ``exact`` cannot be differentiated.
    """
    points = points if points is not None else few_points(field.domain, None)
    points = {
        part: x.detach().to(field.device, torch.float64 if x.is_floating_point() else x.dtype)
        for part, x in points.items()
    }
    with _in_float64(field):
        exact = _with_solution(field, points, field.exact)
        zero = _with_solution(field, points, lambda x: torch.zeros_like(field.exact(x)), finite=False)
    sizes = {}
    for term, residual in exact.items():
        if term in field.measured or term in noisy:
            continue
        scale = max(1.0, zero[term].nan_to_num(0.0, 0.0, 0.0).abs().max().item())
        sizes[term] = residual.abs().max().item() / scale
        if sizes[term] > tolerance and torch.equal(residual, zero[term]):
            raise MisconfigurationException(
                f"`residuals` of {type(field).__name__} must ask for the solution through `self(x)` and "
                f"`self.partials`, got one for `{term}` that does not change when the exact solution stands in for the "
                "network. `--model.check_exact false` skips this check."
            )
        if not sizes[term] <= tolerance:
            _check_differentiable(field, points)
            raise MisconfigurationException(
                f"The residual of `{term}` must vanish on the exact solution of {type(field).__name__}, got "
                f"{sizes[term] * scale:.3g} (a field of zeros gives up to {scale:.3g}). Either `residuals` or `exact` "
                f"is wrong{_unknown_parameters_hint(field)}{_noise_hint(term, points)}; "
                "`--model.check_exact false` skips this check, `--model.check_exact 1e-2` widens its tolerance."
            )
    return sizes


def _unknown_parameters_hint(field: NeuralField) -> str:
    names = [
        name.removesuffix(".raw")
        for name, p in field.named_parameters()
        if p.requires_grad and not name.startswith("net.")
    ]
    if not names:
        return ""
    return f", or the parameters {names} are not at their true values (name those in `true_parameters`)"


def _noise_hint(term: str, points: Mapping[str, Tensor]) -> str:
    return ", or the measurements are noisy (give their `noise_std`)" if f"{term}{TARGETS}" in points else ""


def _states(field: NeuralField) -> Iterator[tuple[str, Tensor]]:
    return chain(field.named_parameters(), field.named_buffers())


@contextmanager
def _in_float64(field: NeuralField) -> Iterator[None]:
    """While open, all parameters and buffers are float64, and unknown parameters have their true values."""
    dtype = field.points_dtype
    # unknown parameters may be of another type than the network, which `field.to` would change
    others = {
        name: x.detach().clone()
        for name, x in _states(field)
        if (x.is_floating_point() or x.is_complex()) and x.dtype != dtype
    }
    before = {n: p.detach().clone() for n, p in field.named_parameters() if not n.startswith("net.")}
    field.double()  # float32 to float64 and back is lossless
    try:
        for name, value in field.true_parameters.items():
            fill_unknown_(field, name, value)
        yield
    finally:
        field.to(dtype)
        for name, x in _states(field):
            x.data = others.get(name, x.data)
        with torch.no_grad():
            for name, p in before.items():
                field.get_parameter(name).copy_(p)


def _with_solution(
    field: NeuralField, points: Mapping[str, Tensor], solution: Callable[[Tensor], Tensor], *, finite: bool = True
) -> dict[str, Tensor]:
    try:
        with field.field_replaced(solution):
            return check_residuals(field, points, finite=finite)
    except RuntimeError as error:
        _check_differentiable(field, points)
        raise MisconfigurationException(
            f"`residuals` of {type(field).__name__} must ask for the solution through `self(x)` and `self.partials`, "
            f"so that the exact one can stand in for the network; it failed with: {error} "
            "`--model.check_exact false` skips this check."
        ) from error


def _check_differentiable(field: NeuralField, points: Mapping[str, Tensor]) -> None:
    """Blame ``exact`` where it varies over the points, but its derivatives cannot be taken."""
    x = next(iter(points.values())).clone()
    values = field.exact(x)
    if torch.equal(values, values[:1].expand_as(values)):
        return
    try:
        with torch.enable_grad():
            torch.autograd.grad(field.exact(x.requires_grad_()).sum(), x)
    except (RuntimeError, TypeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise MisconfigurationException(
            f"`exact` of {type(field).__name__} must be made of operations of torch, since its derivatives stand in "
            f"for the network's before training; differentiating it failed with: {reason}. `--model.check_exact "
            "false` skips this check: a solution that is only interpolated still serves for errors and plots."
        ) from error
