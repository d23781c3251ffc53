"""Modules whose buffers are resized when a checkpoint is loaded."""

from typing import Any

import torch
from torch import nn


class ResizedBuffers(nn.Module):
    """A module whose buffers take the shapes of a checkpoint.

    ``__init__`` registers all buffers. Those whose size depends on the training, such as the number of points or of
    loss terms, start empty; where the shape in a checkpoint differs, shape and dtype are taken from there.
    """

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for name, buffer in self._buffers.items():
            found = state_dict.get(prefix + name)
            if buffer is not None and found is not None and found.shape != buffer.shape:
                setattr(self, name, torch.empty_like(found, device=buffer.device))
        super()._load_from_state_dict(state_dict, prefix, *args)
