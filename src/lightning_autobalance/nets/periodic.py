"""Periodic coordinates before a network."""

from math import isfinite, pi
from typing import Any

import torch
from torch import Tensor, nn

from lightning_autobalance.nets.activations import CosSin
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.utils.arguments import check_at_least


class Periodic(nn.Module):
    r"""A network that sees chosen coordinates as waves only, so that its fields and all their derivatives are periodic.

    .. math:: x_i \to \cos(2 \pi h x_i / L_i), \; \sin(2 \pi h x_i / L_i), \quad h = 1, \dots, H

    A coordinate without a period stays as it is. The network has 2 H inputs for each periodic coordinate and one for
    each other: all cosines, all sines, then the others.

    Args:
        net: The network behind, (b, 2 H p + d - p) to (b, k) for p periodic ones of d coordinates.
        periods: L by coordinate, > 0; None where it is not periodic.
        harmonics: H, the number of waves for each periodic coordinate, >= 1.

    Raises:
        ValueError: If there is no period, one is not positive, or the network takes another number of inputs.

    Reference:
        Dong, Ni, 2021 (J. Comput. Phys. 435), there with phases that are learned.
    """

    def __init__(self, net: nn.Module, periods: list[float | None], harmonics: int = 1) -> None:
        super().__init__()
        check_at_least("harmonics", harmonics, 1)
        known = [period for period in periods if period is not None]
        if not known or any(not (period > 0 and isfinite(period)) for period in known):
            raise ValueError(f"`periods` must be numbers > 0, or None, by coordinate, got {list(periods)}.")
        self.periods = tuple(periods)
        self.harmonics = harmonics
        waves = [(i, h) for i, period in enumerate(periods) if period is not None for h in range(1, harmonics + 1)]
        self._columns = [i for i, _ in waves] * 2  # each phase once for its cosine, once for its sine
        self._numbers = [2 * pi * h / known[j // harmonics] for j, (_, h) in enumerate(waves)] * 2
        self._plain = [i for i, period in enumerate(periods) if period is None]
        self.cos_sin = CosSin()
        self.net = net
        _check_inputs(net, len(self._columns) + len(self._plain))

    def forward(self, x: Points) -> Fields:
        """Points, (b, d), to fields, (b, k).

        Raises:
            ValueError: If there are not as many coordinates as periods.
        """
        self._check(x)
        phases = [x[:, i] * number for i, number in zip(self._columns, self._numbers, strict=True)]
        waves = self.cos_sin(torch.stack(phases, dim=1))
        fields: Tensor = self.net(torch.cat([waves, *(x[:, i : i + 1] for i in self._plain)], dim=1))
        return fields

    def taylor(self, jet: Any) -> Any:
        """The same on a `Jet`, for Taylor mode."""
        self._check(jet.value)
        phases = jet.joined([jet.features(i, i + 1) for i in self._columns])
        waves = phases.rescaled(self._numbers, [0.0] * len(self._numbers)).activated(self.cos_sin)
        inputs = jet.joined([waves, *(jet.features(i, i + 1) for i in self._plain)])
        return inputs.through(self.net, drop_firsts=jet.drop_firsts)

    def _check(self, x: Tensor) -> None:
        if x.shape[1] != len(self.periods):
            raise ValueError(
                f"`periods` must be one by coordinate, {x.shape[1]}, got {len(self.periods)}: {list(self.periods)}."
            )


def _check_inputs(net: nn.Module, width: int) -> None:
    like = next((p for p in net.parameters() if p.is_floating_point()), torch.zeros(()))
    try:
        with torch.no_grad():
            net(torch.zeros(2, width, dtype=like.dtype, device=like.device))
    except (RuntimeError, ValueError, IndexError) as error:
        raise ValueError(f"`net` must take {width} inputs, the waves and the other coordinates: {error}") from error
