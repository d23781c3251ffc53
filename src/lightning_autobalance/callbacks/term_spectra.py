"""Hessian spectra of a module's loss terms, computed on copies of its parameters."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lightning_autobalance.callbacks.preconditioners import preconditioner
from lightning_autobalance.jacobian import Operator, Spectrum, dense, hessian, scaled, spectrum_of, summed
from lightning_autobalance.module import PINNModule

SUM = "sum_of_terms"
Spectra = dict[str, dict[str, Spectrum]]  # by kind ("plain", "adam", "autobalance"), then by term


def term_spectra(
    module: PINNModule,
    points: Mapping[str, Tensor],
    optimizer: Optimizer | None = None,
    *,
    exact_up_to: int = 1000,
    steps: int = 100,
    probes: int = 1,
    seed: int = 0,
    double: bool = True,
) -> Spectra:
    r"""Spectra of each term's Hessian and of their sum, plain and preconditioned by the optimizer's state.

    .. math:: H_i, \quad \sum_i H_i, \quad D_i^{-1/2} H_i D_i^{-1/2}, \quad \sum_i c_i D_i^{-1/2} H_i D_i^{-1/2}

    The terms include the module's fixed ``weights``, as in training; c are the weights of the optimizer's ``combine``.
    The module, the optimizer and random states are unchanged afterwards.

    Args:
        module: The module whose losses are differentiated.
        points: By part of the domain, each (b, d).
        optimizer: The optimizer of the parameters to differentiate by, whose state preconditions. If None, all
            parameters that require grad, and plain spectra only.
        exact_up_to: Largest number of parameters for which eigenvalues are exact.
        steps: Lanczos steps per start vector, used for more parameters.
        probes: Number of start vectors.
        seed: Seed of the start vectors.
        double: Compute in float64, if the device supports it, whatever the module's dtype.

    Returns:
        By kind, then by term; the sum is ``sum_of_terms``. Before the first step, and for optimizers without a known
        preconditioner, "plain" only.
    """
    params = _parameters(module, optimizer)
    losses, copies = weighted_losses(module, points, params, double=double)
    like = torch.cat([copy.detach().reshape(-1) for copy in copies])
    operators = {term: hessian(loss, copies) for term, loss in losses.items()}
    if len(like) <= exact_up_to:  # one matrix per term serves every kind
        operators = {term: dense(operator, like).mv for term, operator in operators.items()}
    kinds = {"plain": {**operators, SUM: summed(list(operators.values()))}}
    known = preconditioner(optimizer, params, len(losses)) if optimizer is not None else None
    if known is not None:
        pairs = zip(operators.items(), known.scales, strict=True)
        terms: dict[str, Operator] = {term: scaled(operator, scale.to(like)) for (term, operator), scale in pairs}
        kinds[known.kind] = {**terms, SUM: summed(list(terms.values()), known.weights)}
    generator = torch.Generator()

    def spectrum(operator: Operator) -> Spectrum:
        source = generator.manual_seed(seed)  # the same start vectors for all spectra
        return spectrum_of(operator, like, exact_up_to=exact_up_to, steps=steps, probes=probes, generator=source)

    return {kind: {term: spectrum(operator) for term, operator in each.items()} for kind, each in kinds.items()}


def weighted_losses(
    module: PINNModule, points: Mapping[str, Tensor], params: list[Tensor], *, double: bool = True
) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The module's losses, times its fixed ``weights``, as functions of copies of its parameters.

    Args:
        module: The module; unchanged afterwards.
        points: By part of the domain, each (b, d).
        params: Parameters of the module whose copies become leaves of the graph.
        double: Copy to float64, if the device supports it.

    Returns:
        The losses by term, each (), and the copies of ``params``.
    """
    dtype = torch.float64 if double and module.device.type != "mps" else module.points_dtype

    def copy(tensor: Tensor) -> Tensor:
        return tensor.detach().to(dtype if tensor.is_floating_point() else tensor.dtype, copy=True)

    copies = {id(p): copy(p).requires_grad_() for p in params}
    tensors = {f"module.{name}": copies.get(id(p), copy(p)) for name, p in module.named_parameters()}
    tensors |= {f"module.{name}": copy(buffer) for name, buffer in module.named_buffers()}
    points = {part: copy(x) for part, x in points.items()}
    with _unchanged(module), _default_dtype(dtype), torch.enable_grad():
        losses = torch.func.functional_call(_Losses(module), tensors, (points,))
    weighted = {term: module.weights.get(term, 1.0) * loss for term, loss in losses.items()}
    return weighted, [copies[id(p)] for p in params]


class _Losses(nn.Module):
    def __init__(self, module: PINNModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self.module.losses(points)


def _parameters(module: PINNModule, optimizer: Optimizer | None) -> list[Tensor]:
    groups = optimizer.param_groups if optimizer is not None else [{"params": list(module.parameters())}]
    return [p for group in groups for p in group["params"] if p.requires_grad]


@contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    """Afterwards, restore what residuals or a variant may change: attributes and random states."""
    before = [(part, dict(vars(part))) for part in module.modules()]
    generators = [value for _, saved in before for value in saved.values() if isinstance(value, torch.Generator)]
    states = [generator.get_state() for generator in generators]
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        for part, saved in before:
            vars(part).clear()
            vars(part).update(saved)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Set the dtype of tensors that residuals create."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
