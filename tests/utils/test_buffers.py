"""Buffers take the shape and the type that they have in a checkpoint."""

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.utils.buffers import ResizedBuffers


class Weights(ResizedBuffers):
    values: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("values", torch.zeros(shape))
        self.register_buffer("unused", None)
        self.register_buffer("scratch", torch.zeros(2), persistent=False)


def test_an_empty_buffer_takes_shape_type_and_values() -> None:
    found = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    fresh = Weights(0)
    fresh.load_state_dict({"values": found})
    assert fresh.values.tolist() == [[1.0, 2.0, 3.0]]
    assert fresh.values.dtype == torch.float64
    assert fresh.values is not found
    assert isinstance(fresh.state_dict()["values"], Tensor)  # a buffer still
    assert fresh.get_buffer("scratch").tolist() == [0.0, 0.0]


def test_a_buffer_also_shrinks() -> None:
    fresh = Weights(3)
    fresh.load_state_dict({"values": torch.empty(0)})
    assert fresh.values.shape == (0,)


def test_a_buffer_of_the_right_shape_stays_the_same_tensor_and_keeps_its_type() -> None:
    fresh = Weights(2)
    before = fresh.values
    fresh.load_state_dict({"values": torch.tensor([1.0, 2.0], dtype=torch.float64)})
    assert fresh.values is before
    assert before.tolist() == [1.0, 2.0]
    assert before.dtype == torch.float32


def test_modules_inside_others_are_found_by_their_prefix() -> None:
    outer = nn.ModuleDict({"a": Weights(0), "b": Weights(0)})
    outer.load_state_dict({"a.values": torch.ones(1), "b.values": torch.full((2,), 2.0)})
    assert outer["a"].values.tolist() == [1.0]
    assert outer["b"].values.tolist() == [2.0, 2.0]


def test_a_missing_buffer_is_still_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"Missing key.*values"):
        Weights(0).load_state_dict({})
    fresh = Weights(2)
    fresh.load_state_dict({}, strict=False)
    assert fresh.values.tolist() == [0.0, 0.0]
