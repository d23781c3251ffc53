"""NumPy scalars as plain numbers."""

from collections import OrderedDict

import numpy as np
import torch

from lightning_autobalance.utils.plain import plain


def test_scalars_become_plain_numbers_in_every_container() -> None:
    given = {"a": np.float32(0.5), "b": [np.int64(3), (np.bool_(True),)], np.str_("c"): {"d": np.float64(1e-3)}}
    found = plain(given)
    assert found == {"a": 0.5, "b": [3, (True,)], "c": {"d": 1e-3}}
    types = [type(found["a"]), type(found["b"][0]), type(found["b"][1][0]), type(found["c"]["d"])]
    assert types == [float, int, bool, float]
    assert isinstance(given["a"], np.float32)


def test_other_objects_stay() -> None:
    objects = [torch.ones(2), np.ones(2), "a", None]
    assert all(a is b for a, b in zip(plain(objects), objects, strict=True))


def test_the_metadata_of_a_modules_state_stays() -> None:
    state = torch.nn.Linear(1, 1).state_dict()
    state["_extra_state"] = {"seed": np.int64(7)}
    found = plain(state)
    assert isinstance(found, OrderedDict)
    assert found._metadata == state._metadata  # type: ignore[attr-defined]
    assert type(found["_extra_state"]["seed"]) is int
    assert type(state["_extra_state"]["seed"]) is np.int64
