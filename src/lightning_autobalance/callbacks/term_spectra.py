"""Hessian spectra of a module's loss terms, computed beside the module and not in it."""

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

    Terms carry the module's fixed ``weights``, as in training, and c those of the optimizer's ``combine``. Module,
    optimizer and random states stay as they are.

    Args:
        module: Has the losses.
        points: By part of the domain, each (b, d).
        optimizer: Names the parameters and preconditions; none leaves all that require grad, and the plain spectra.
        exact_up_to: The largest number of parameters with exact eigenvalues.
        steps: Above it, Lanczos steps for each start vector.
        probes: Number of start vectors.
        seed: Of the start vectors.
        double: Compute in float64 (where the device has it), whatever the module's type.

    Returns:
        By kind, then by term; the sum is ``sum_of_terms``. Before the first step and for optimizers that are not of
        Adam's kind, "plain" only.
    """
    own = _parameters(module, optimizer)
    losses, copies = weighted_losses(module, points, own, double=double)
    like = torch.cat([copy.detach().reshape(-1) for copy in copies])
    operators = {term: hessian(loss, copies) for term, loss in losses.items()}
    if len(like) <= exact_up_to:  # the matrices serve every kind
        operators = {term: dense(operator, like).mv for term, operator in operators.items()}
    kinds = {"plain": {**operators, SUM: summed(list(operators.values()))}}
    found = preconditioner(optimizer, own, len(losses)) if optimizer is not None else None
    if found is not None:
        pairs = zip(operators.items(), found.scales, strict=True)
        terms: dict[str, Operator] = {term: scaled(operator, scale.to(like)) for (term, operator), scale in pairs}
        kinds[found.kind] = {**terms, SUM: summed(list(terms.values()), found.weights)}
    generator = torch.Generator()

    def spectrum(operator: Operator) -> Spectrum:
        source = generator.manual_seed(seed)  # the same start vectors for all that is compared
        return spectrum_of(operator, like, exact_up_to=exact_up_to, steps=steps, probes=probes, generator=source)

    return {kind: {term: spectrum(operator) for term, operator in each.items()} for kind, each in kinds.items()}


def weighted_losses(
    module: PINNModule, points: Mapping[str, Tensor], params: list[Tensor], *, double: bool = True
) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The losses of copies of the parameters, times the module's ``weights``.

    Args:
        module: Has the losses; stays as it is.
        points: By part of the domain, each (b, d).
        params: Parameters of the module, to be copied as leaves of the losses' graph.
        double: Copy to float64, where the device has it.

    Returns:
        The losses by term, and the copies.
    """
    dtype = torch.float64 if double and module.device.type != "mps" else module.points_dtype

    def copy(tensor: Tensor) -> Tensor:
        return tensor.detach().to(dtype if tensor.is_floating_point() else tensor.dtype, copy=True)

    copies = {id(p): copy(p).requires_grad_() for p in params}
    tensors = {f"module.{name}": copies.get(id(p), copy(p)) for name, p in module.named_parameters()}
    tensors |= {f"module.{name}": copy(buffer) for name, buffer in module.named_buffers()}
    own = {part: copy(x) for part, x in points.items()}
    with _unchanged(module), _default_dtype(dtype), torch.enable_grad():
        losses = torch.func.functional_call(_Losses(module), tensors, (own,))
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
    """Put back what a residual or a variant may set or draw: attributes and random states."""
    before = [(part, dict(vars(part))) for part in module.modules()]
    generators = [value for _, kept in before for value in kept.values() if isinstance(value, torch.Generator)]
    states = [generator.get_state() for generator in generators]
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        for part, kept in before:
            vars(part).clear()
            vars(part).update(kept)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """For tensors that residuals make by themselves."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
