"""The global generators of random numbers: of python, of numpy, and of torch on every device."""

import random
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """The states of the global generators of python, numpy, and torch on every device, as tensors and numbers.

    No GPU was ever used to test those of CUDA.
    """
    _, keys, *others = np.random.get_state()
    version, words, gauss = random.getstate()
    return {
        "python": [version, torch.tensor(words), gauss],
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), *others],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],  # type: ignore[no-untyped-call]
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Restore what `random_state` gave.

    Args:
        state: Its result; states of devices that are not here are left out.
    """
    version, words, gauss = state["python"]
    keys, *others = state["numpy"]
    random.setstate((version, tuple(words.tolist()), gauss))
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *others))
    torch.set_rng_state(state["torch"])
    for device, found in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(found, device)


def same_random_state(one: Any, other: Any) -> bool:
    """Whether two results of `random_state` are the same: nothing was drawn between them."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return all(same_random_state(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_random_state, one, other))
    return bool(one == other)
