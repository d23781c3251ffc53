"""Whether what is about to be saved can be read again with ``weights_only=True``."""

import io
from collections.abc import Iterator
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

LEAVES = (type(None), bool, int, float, complex, str, bytes, Tensor, torch.nn.Parameter)


def check_readable(checkpoint: dict[str, Any]) -> None:
    """Check that a checkpoint can be read again, before it is written over an earlier one.

    Raises:
        MisconfigurationException: If it holds objects that are not read with ``weights_only=True``; names the first.
    """
    for key, value in unreadable(checkpoint):
        raise MisconfigurationException(
            f"`{key}` of a checkpoint must be tensors, numbers, strings, or lists and dictionaries of these, got "
            f"{type(value).__module__}.{type(value).__qualname__}, which could not be read again. Convert it where it "
            "is saved (an array: `torch.as_tensor`, a path: `str`), or give the Trainer a `checkpoint_io` of your own."
        )


def unreadable(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The entries that cannot be read again, each with the keys that lead to it, separated by slashes."""
    if type(value) in LEAVES:
        return
    if isinstance(value, dict) and (type(value) is dict or _is_read(type(value)())):
        for name, item in value.items():
            yield from unreadable(name, f"{key}/{name}".lstrip("/"))
            yield from unreadable(item, f"{key}/{name}".lstrip("/"))
    elif type(value) in (list, tuple):
        for number, item in enumerate(value):
            yield from unreadable(item, f"{key}/{number}".lstrip("/"))
    elif not _is_read(value):
        yield key, value


def _is_read(value: Any) -> bool:
    buffer = io.BytesIO()
    try:
        torch.save(value, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception:  # of pickle and of torch, of many types
        return False
    return True
