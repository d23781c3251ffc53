"""A complete problem: network, loss terms, the names in `weights` and `measured`, and the exact solution."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from difflib import get_close_matches

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_warn
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from lightning_autobalance.checks.exact import TOLERANCE, check_exact
from lightning_autobalance.checks.loader import check_batch
from lightning_autobalance.checks.optimizer import check_parameters
from lightning_autobalance.checks.periods import check_periods
from lightning_autobalance.checks.reference import check_reference
from lightning_autobalance.checks.residuals import few_points
from lightning_autobalance.field import NeuralField
from lightning_autobalance.nets import Transformed, ZeroAtStart
from lightning_autobalance.points import MeasuredParts

NON_SMOOTH = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ReLU6, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid)


def check_problem(
    field: NeuralField,
    counts: Mapping[str, int] | None,
    find_terms: Callable[[dict[str, Tensor]], tuple[str, ...]],
    *,
    named: Mapping[str, Iterable[str]],
    exact: bool | float,
    batch: Mapping[str, Tensor] | None = None,
    measured: MeasuredParts | None = None,
) -> tuple[str, ...]:
    """Evaluate the network, the losses and, if known, the exact solution on a few points, or on a loader's first batch.

    Args:
        field: The field to be trained.
        counts: Number of training points by part; None for the same number in every part of the domain.
        find_terms: Maps points by part, each (b, d), to the names of the loss terms, or raises.
        named: By attribute of the module, the loss terms that it refers to, such as the keys of ``weights``.
        exact: Whether to check that the residuals of the exact solution vanish, or up to which tolerance, > 0.
        batch: By part, each (b, d), and whatever else the residuals use; None where there is no loader of the user's.
        measured: The measurements of the run. Those with noise may be off the exact solution.

    Returns:
        The names of the loss terms.

    Raises:
        MisconfigurationException: If a shape is wrong, a value is not finite, or a name is unknown.
    """
    check_parameters(field)
    check_periods(field)
    if field.reference is not None:
        check_reference(field.reference)
    measured = measured if measured is not None else MeasuredParts(None)
    points: Mapping[str, Tensor] = {**few_points(field.domain, counts), **measured.few()}
    converted = {part: x.to(field.device, field.points_dtype) for part, x in points.items()}
    x = next(iter(converted.values()))
    _check_net(field, x)
    if batch is None:
        terms = find_terms(converted)
    else:
        check_batch(batch, field.domain)
        points, terms = batch, _terms_of_batch(field, batch, find_terms)
    for attribute, names in named.items():
        _check_names(attribute, names, terms, type(field).__name__)
    if field.has_exact:
        _check_exact_shape(field, x)
        if exact:
            with isolate_rng() if batch is not None else nullcontext():
                check_exact(field, points, TOLERANCE if exact is True else exact, noisy=measured.noise)
    return terms


def _terms_of_batch(
    field: NeuralField, batch: Mapping[str, Tensor], find_terms: Callable[[dict[str, Tensor]], tuple[str, ...]]
) -> tuple[str, ...]:
    try:
        with isolate_rng():  # the steps draw the same random numbers as without a check
            return find_terms(dict(batch))
    except (RuntimeError, ValueError, IndexError) as error:
        found = ", ".join(f"{part!r}: {tuple(x.shape)} of {x.dtype}" for part, x in batch.items())
        raise MisconfigurationException(
            f"`residuals` of {type(field).__name__} must take the batches of the loader, {{{found}}}; on the first one "
            f"it failed with: {error}"
        ) from error


def _check_net(field: NeuralField, x: Tensor) -> None:
    names = ", ".join(field.domain.coordinates)
    try:
        with torch.no_grad():
            fields = field(x)
    except RuntimeError as error:
        raise MisconfigurationException(
            f"`net` must take {x.shape[1]} inputs, the coordinates ({names}) of the domain; on points of shape "
            f"{tuple(x.shape)} it failed with: {error}"
        ) from error
    if fields.shape != (len(x), len(field.fields)):
        raise MisconfigurationException(
            f"`net` must give {len(field.fields)} field(s) {field.fields}, shape {(len(x), len(field.fields))}, got "
            f"shape {tuple(fields.shape)}. Change the network's `out_features` or the class attribute `fields`."
        )
    _check_time(field)
    non_smooth = [type(layer).__name__ for layer in field.net.modules() if isinstance(layer, NON_SMOOTH)]
    if non_smooth:
        rank_zero_warn(
            f"`net` should be smooth, got {non_smooth[0]}: its second derivatives are zero, so that a residual with "
            "u_xx does not see the network. Use tanh, sin, silu, gelu or softplus."
        )


def _check_time(field: NeuralField) -> None:
    coordinates, net = field.domain.coordinates, field.net
    while "t" in coordinates and isinstance(net, Transformed):
        if isinstance(net.factor, ZeroAtStart):
            found, wanted = net.factor.index(len(coordinates)), coordinates.index("t")
            if found != wanted:
                raise MisconfigurationException(
                    f"`column` of ZeroAtStart must be {wanted - len(coordinates)}, that of t among the coordinates "
                    f"{coordinates}, got {net.factor.column}, which is {coordinates[found]}."
                )
        net = net.net


def _check_exact_shape(field: NeuralField, x: Tensor) -> None:
    fields, wanted = field.exact(x), (len(x), len(field.fields))
    if fields.shape != wanted:
        raise MisconfigurationException(
            f"`exact` of {type(field).__name__} must give {len(field.fields)} field(s) {field.fields}, shape "
            f"{wanted} for {len(x)} points, got shape {tuple(fields.shape)}. Take columns as `x[:, :1]`."
        )


def _check_names(attribute: str, names: Iterable[str], terms: tuple[str, ...], problem: str) -> None:
    for name in names:
        if name not in terms:
            close = get_close_matches(name, terms, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise MisconfigurationException(
                f"`{attribute}` must name loss terms of {problem}, {list(terms)}, got {name!r}.{hint}"
            )
