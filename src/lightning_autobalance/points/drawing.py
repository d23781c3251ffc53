"""Draws of all parts at once, on a device."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance.points.domain import Domain, Face
from lightning_autobalance.points.samplers import DeviceUniform
from lightning_autobalance.points.sampling import shared_out
from lightning_autobalance.points.split_mix import uniform
from lightning_autobalance.points.streams import Stream


class Drawing:
    """The points that `sample` draws with `DeviceUniform`, by operations of torch on tensors that stay.

    Args:
        domain: Where.
        counts: How many points by part.
        seed: Of the whole stream, not negative.
        device: Where they are drawn.
        dtype: Their floating point type.
    """

    def __init__(
        self, domain: Domain, counts: Mapping[str, int], seed: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._faces: list[tuple[str, Face, int]] = []
        seeds = []
        for part, count in counts.items():
            for i, (face, n) in enumerate(shared_out(domain, part, count)):
                self._faces.append((part, face, n))
                seeds.append(DeviceUniform.seeds(n, face.dim, Stream(seed, part, i).generator()).flatten())
        self._sizes = [len(x) for x in seeds]
        self._seeds = torch.cat(seeds).to(device)
        self._dtype = dtype

    def __call__(self, draw: Tensor) -> dict[str, Tensor]:
        """Draw points.

        Args:
            draw: Number of the draw, from 0, a 0-dim int64 tensor on the device.

        Returns:
            By part, each (b, d).
        """
        places: dict[str, list[Tensor]] = {}
        units = torch.split(uniform(self._seeds, draw), self._sizes)
        for (part, face, n), flat in zip(self._faces, units, strict=True):
            places.setdefault(part, []).append(face.points(flat.reshape(n, face.dim)))
        return {part: torch.cat(each).to(self._dtype) for part, each in places.items()}
