"""Modules whose buffers take the shape that they have in a checkpoint."""

from typing import Any

import torch
from torch import nn


class ResizedBuffers(nn.Module):
    """State lies in buffers that ``__init__`` registers.

    Where their size depends on what is seen in training, such as the number of points or of loss terms, they start
    empty, and take the shape and the type that they have in a checkpoint.
    """

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for name, buffer in self._buffers.items():
            found = state_dict.get(prefix + name)
            if buffer is not None and found is not None and found.shape != buffer.shape:
                setattr(self, name, torch.empty_like(found, device=buffer.device))
        super()._load_from_state_dict(state_dict, prefix, *args)
