"""How strongly each residual answers to a change of the solution, and the weights that make the answers equal."""

from collections.abc import Callable, Mapping
from math import isfinite, pi

import torch
from torch import Tensor

from lightning_autobalance.field import NeuralField
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.variants import MeanSquares

PROBES = 8
STEP = 1e-3  # of the central difference; residuals that are polynomials of low degree in u lose nothing by it

Field = Callable[[Points], Fields]


def responses(field: NeuralField, points: Mapping[str, Tensor], probes: int = PROBES) -> dict[str, float]:
    r"""Mean square of each residual's change per change of the solution.

    .. math:: s_i = \frac1P \sum_p \Big\langle \Big( \frac{\partial r_i}{\partial u} \varphi_p \Big)^2 \Big\rangle

    The changes :math:`\varphi_p` are plane waves of unit size in one field, in random directions, about as long as the
    domain; the derivative is a central difference about another such wave. A second derivative answers about
    :math:`(2 \pi)^4` times as strongly on a domain of size 1 as the value on the boundary does.

    Args:
        field: In float64, whose digits the differences need.
        points: By part, each (b, d).
        probes: Number of waves, P.

    Returns:
        By term; 0 for one that does not depend on the solution, or is not finite where that is a wave.
    """
    generator = torch.Generator().manual_seed(0)
    points = {part: x.detach().to(torch.float64) if x.is_floating_point() else x for part, x in points.items()}
    found: dict[str, float] = {}
    for _ in range(probes):
        about, wave = (_plane_wave(field, generator) for _ in range(2))
        for column in range(len(field.fields)):
            for term, answer in MeanSquares()(points, _changes(field, points, about, wave, column)).items():
                found[term] = found.get(term, 0.0) + float(answer) / probes
    return {term: answer if isfinite(answer) else 0.0 for term, answer in found.items()}


def response_weights(answers: Mapping[str, float]) -> dict[str, float]:
    """Weights of the losses under which every term answers as strongly as the strongest one, to two digits.

    Args:
        answers: From `responses`.

    Returns:
        By term, at least 1; 1 for a term that gives no answer.
    """
    strongest = max(answers.values(), default=0.0)
    return {term: float(f"{strongest / answer:.1e}") if answer > 0 else 1.0 for term, answer in answers.items()}


def _changes(
    field: NeuralField, points: Mapping[str, Tensor], about: Field, wave: Field, column: int
) -> dict[str, Tensor]:
    chosen = torch.zeros(len(field.fields), dtype=torch.float64)
    chosen[column] = STEP
    found = []
    for sign in (1, -1):

        def shifted(x: Points, by: Tensor = sign * chosen) -> Fields:
            return about(x) + by.to(x.device) * wave(x)

        with field.field_replaced(shifted):
            found.append({term: residual.detach() for term, residual in field.residuals(points).items()})
    ahead, behind = found
    return {term: (ahead[term] - behind[term]) / (2 * STEP) for term in ahead}


def _plane_wave(field: NeuralField, generator: torch.Generator) -> Field:
    low, high = (torch.tensor(ends, dtype=torch.float64) for ends in zip(*field.domain.bounds, strict=True))
    shape = (len(field.fields), len(low))
    direction = torch.randn(shape, generator=generator, dtype=torch.float64) / len(low) ** 0.5
    phase = 2 * pi * torch.rand(shape[0], generator=generator, dtype=torch.float64)

    def wave(x: Points) -> Fields:
        angles = 2 * pi * (x.double() - low.to(x.device)) / (high - low).to(x.device)
        found: Tensor = 2**0.5 * torch.sin(angles @ direction.T.to(x.device) + phase.to(x.device))
        return found

    return wave
