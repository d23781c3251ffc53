"""What is checked before the first step, so that a mistake costs seconds and not a night."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.plugins import HalfPrecision, MixedPrecision
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.optim import Optimizer

from lightning_autobalance.balancing import Aggregator, Balancer
from lightning_autobalance.optim import PostCombine
from lightning_autobalance.points import Uniform, sample

if TYPE_CHECKING:
    from lightning_autobalance.module import PINNModule

POINTS = 64  # per part: enough for a pointwise residual to show itself
TOLERANCE = 1e-5  # of the residual's own scale; exact solutions reach 1e-10 in float64, buffers may be float32


def check_trainer(trainer: Trainer) -> None:
    """Refuse Trainer settings that manual optimization cannot honour.

    Raises:
        MisconfigurationException: If the Trainer clips, accumulates, shards, or uses half precision.
    """
    if trainer.gradient_clip_val:
        raise MisconfigurationException(
            f"`gradient_clip_val` must not be given to the Trainer, got {trainer.gradient_clip_val}: it would clip the "
            "sum of the terms' gradients. Give it to the module (`--model.gradient_clip_val`): each term is clipped."
        )
    if trainer.accumulate_grad_batches != 1:
        raise MisconfigurationException(
            f"`accumulate_grad_batches` must be 1, got {trainer.accumulate_grad_batches}: every step uses all points. "
            "Ask for more points (`--data.points`) instead."
        )
    if not isinstance(trainer.strategy, SingleDeviceStrategy):
        raise MisconfigurationException(
            f"`strategy` must be a single device, got {type(trainer.strategy).__name__}: the terms' gradients are not "
            "reduced across processes yet, and each would drift away by itself. Use `--trainer.devices 1`."
        )
    _check_precision(trainer)


def _check_precision(trainer: Trainer) -> None:
    plugin = trainer.precision_plugin
    if plugin.precision == "16-mixed" or getattr(plugin, "scaler", None) is not None:
        raise MisconfigurationException(
            "`precision` must be 32-true, 64-true or bf16-mixed, got 16-mixed: its loss scaling knows only one summed "
            "gradient, and second derivatives overflow float16. Use 32-true, or bf16-mixed where speed matters more."
        )
    if isinstance(plugin, HalfPrecision):
        raise MisconfigurationException(
            f"`precision` must be 32-true, 64-true or bf16-mixed, got {plugin.precision}: weights of half precision "
            "cannot hold a PINN's small updates. Use 32-true."
        )
    if isinstance(plugin, MixedPrecision):
        rank_zero_warn(
            f"precision {plugin.precision} rounds the network's layers to 3 digits: residuals below about 1e-2 of "
            "their scale are noise. Use 32-true for accurate solutions."
        )


def check_combination(optimizer: Optimizer, balancer: Balancer | None) -> None:
    """Refuse an optimizer that cannot step here, and balancers before one that needs each term's own gradient.

    Args:
        optimizer: The optimizer.
        balancer: What stands before it.

    Raises:
        MisconfigurationException: If the two do not fit.
    """
    name = type(optimizer).__name__
    if isinstance(optimizer, torch.optim.LBFGS):
        raise MisconfigurationException(
            "`optimizer` must step once per evaluation of the losses, got LBFGS, which evaluates them many times. "
            "Use AutoAdamW or another first-order optimizer."
        )
    if balancer is None or not isinstance(optimizer, PostCombine):
        return
    if isinstance(balancer, Aggregator):
        raise MisconfigurationException(
            f"`balancer` must be left out with {name}, got {type(balancer).__name__}: an aggregator makes one gradient "
            f"of all terms before the optimizer (pre-combine), {name} needs each term's own (post-combine). Drop one "
            "of the two, or use torch.optim.AdamW with the balancer."
        )
    rank_zero_warn(
        f"`balancer` {type(balancer).__name__} changes little with {name}: the weight of a loss cancels in an Adam "
        "state of its own, up to `eps`. Use torch.optim.AdamW to see what the weighting does."
    )


def check_module(module: "PINNModule") -> None:
    """Evaluate the network, the residuals and, where it is known, the exact solution on a few points.

    Raises:
        MisconfigurationException: If anything has a wrong shape, is not finite, or names what is not there.
    """
    points = _few_points(module)
    if points is None:
        return
    own = {part: x.to(module.device, module.points_dtype) for part, x in points.items()}
    _check_net(module, next(iter(own.values())))
    residuals = _residuals(module, own)
    _check_weights(module, tuple(residuals))
    module.terms = tuple(residuals)
    if module.has_exact and module.check_exact:
        check_exact(module, points)


def check_exact(module: "PINNModule", points: Mapping[str, Tensor] | None = None) -> dict[str, float]:
    """Check in float64 that the residuals of the exact solution vanish.

    Args:
        module: Has ``exact``.
        points: By part, each (b, d); drawn over all parts of the domain by default.

    Returns:
        By term, the largest residual over the points, relative to the term's scale.

    Raises:
        MisconfigurationException: If one exceeds 1e-5; it names the term and the size.
    """
    points = points if points is not None else {part: _sampled(module, part) for part in module.domain.parts}
    points = {part: x.detach().to(module.device, torch.float64) for part, x in points.items()}
    exact = _residuals_of(module, points, module.exact)
    zero = _residuals_of(module, points, lambda x: torch.zeros_like(module.exact(x)), finite=False)
    sizes = {}
    for term, residual in exact.items():
        if term in module.measured:
            continue
        scale = max(1.0, zero[term].nan_to_num(0.0, 0.0, 0.0).abs().max().item())
        sizes[term] = residual.abs().max().item() / scale
        if not sizes[term] <= TOLERANCE:
            raise MisconfigurationException(
                f"The residual of `{term}` must vanish on the exact solution of {type(module).__name__}, got "
                f"{sizes[term] * scale:.3g} (a field of zeros gives up to {scale:.3g}). Either `residuals` or `exact` "
                "is wrong; `--model.check_exact false` skips this check."
            )
    return sizes


def _residuals_of(
    module: "PINNModule", points: Mapping[str, Tensor], field: Callable[[Tensor], Tensor], *, finite: bool = True
) -> dict[str, Tensor]:
    try:
        with module.field_replaced(field):
            return _residuals(module, points, finite=finite)
    except RuntimeError as error:
        raise MisconfigurationException(
            f"`residuals` of {type(module).__name__} must ask for the solution through `self(x)` and `self.partials`, "
            f"so that the exact one can stand in for the network; it failed with: {error} "
            "`--model.check_exact false` skips this check."
        ) from error


def _few_points(module: "PINNModule") -> dict[str, Tensor] | None:
    data = getattr(module.trainer, "datamodule", None) if module._trainer is not None else None
    counts = getattr(data, "counts", None)
    if data is not None and counts is None:
        return None  # somebody's own data module: its batches are checked at the first step
    return {part: _sampled(module, part) for part in (counts or module.domain.parts)}


def _sampled(module: "PINNModule", part: str) -> Tensor:
    points = sample(module.domain, part, POINTS, Uniform(), seed=0, draw=0)
    return torch.as_tensor(points, dtype=torch.float64)


def _check_net(module: "PINNModule", x: Tensor) -> None:
    names = ", ".join(module.domain.coordinates)
    try:
        with torch.no_grad():
            fields = module(x)
    except RuntimeError as error:
        raise MisconfigurationException(
            f"`net` must take {x.shape[1]} inputs, the coordinates ({names}) of the domain; on points of shape "
            f"{tuple(x.shape)} it failed with: {error}"
        ) from error
    if fields.shape != (len(x), len(module.fields)):
        raise MisconfigurationException(
            f"`net` must give {len(module.fields)} field(s) {module.fields}, shape {(len(x), len(module.fields))}, got "
            f"shape {tuple(fields.shape)}. Change the network's `out_features` or the class attribute `fields`."
        )


def _residuals(module: "PINNModule", points: Mapping[str, Tensor], *, finite: bool = True) -> dict[str, Tensor]:
    name = type(module).__name__
    try:
        with torch.enable_grad():
            residuals = module.residuals(points)
    except KeyError as error:
        if error.args[0] in points:
            raise
        raise MisconfigurationException(
            f"`residuals` of {name} asks for points {error.args[0]!r}, but `data.points` has only {list(points)}."
        ) from error
    if not isinstance(residuals, Mapping) or not residuals:
        raise MisconfigurationException(
            f"`residuals` of {name} must return a non-empty mapping from term to residual, got {residuals!r}."
        )
    for term, residual in residuals.items():
        _check_residual(name, term, residual, finite=finite)
    return dict(residuals)


def _check_residual(name: str, term: str, residual: Any, *, finite: bool) -> None:
    if not isinstance(residual, Tensor) or residual.dim() not in (1, 2) or residual.numel() == 0:
        found = f"shape {tuple(residual.shape)}" if isinstance(residual, Tensor) else repr(residual)
        raise MisconfigurationException(
            f"`residuals` of {name} must give each term one row per point, (b,) or (b, k), got {found} for {term!r}."
        )
    if finite and not torch.isfinite(residual).all():
        raise MisconfigurationException(
            f"`residuals` of {name} must be finite, got {int((~torch.isfinite(residual)).sum())} NaN or infinite "
            f"values among {residual.numel()} for {term!r} before any training. Look for a division by zero, a "
            "logarithm or a root of a negative number."
        )


def _check_weights(module: "PINNModule", terms: tuple[str, ...]) -> None:
    for term in module.weights:
        if term not in terms:
            close = get_close_matches(term, terms, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise MisconfigurationException(
                f"`weights` must name loss terms of {type(module).__name__}, {list(terms)}, got {term!r}.{hint}"
            )


def check_checkpoint(module: "PINNModule", found: Mapping[str, Any] | None) -> None:
    """Refuse a checkpoint that this module cannot go on from.

    Args:
        module: Is about to load.
        found: What ``PINNModule.on_save_checkpoint`` wrote; None where it wrote nothing.

    Raises:
        MisconfigurationException: If it belongs to another problem or to other terms.
    """
    name = type(module).__qualname__
    if found is None:
        raise MisconfigurationException(f"The checkpoint must come from a `PINNModule`, this one does not ({name}).")
    if found["problem"] != name:
        raise MisconfigurationException(
            f"The checkpoint must come from `{name}`, got one of `{found['problem']}`. Load it with "
            f"`{found['problem']}`, or start without `ckpt_path`."
        )
    if module.terms and found["terms"] and list(module.terms) != list(found["terms"]):
        raise MisconfigurationException(
            f"The checkpoint must hold the loss terms {list(module.terms)}, got {found['terms']}: the moments of one "
            "term cannot serve another. Use the residuals it was trained with, or start without `ckpt_path`."
        )
