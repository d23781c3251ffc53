"""NumPy scalars as plain numbers."""

from collections import OrderedDict
from copy import copy
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """A value with Python numbers in place of NumPy scalars, also within lists, tuples and dictionaries.

    NumPy scalars are accepted wherever numbers are, but a checkpoint that holds one cannot be read with
    ``weights_only=True``. Containers are copied, other objects are returned as they are.
    """
    if isinstance(value, np.generic):
        return value.item()
    if type(value) is dict:
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, OrderedDict):  # the state of a module, with an attribute that a new one would lack
        converted = copy(value)
        converted.update((key, plain(item)) for key, item in value.items())
        return converted
    if type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    return value
