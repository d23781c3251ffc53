"""Which calls of linear layers are recorded, and which rows their points feed."""

import torch
from torch import nn

from lightning_autobalance.jacobian.linear_tape import LinearTape, find_map, row_numbers


def test_calls_are_recorded_in_order() -> None:
    one, other = nn.Linear(2, 3), nn.Linear(3, 1, bias=False)
    x = torch.randn(5, 2)
    with LinearTape([*one.parameters(), *other.parameters()]) as tape:
        y = other(torch.tanh(one(x)))
    first, second = tape.calls
    assert first.weight is one.weight
    assert first.bias is one.bias
    assert torch.equal(first.inputs, x)
    assert second.bias is None
    assert torch.equal(second.outputs, y)
    assert tape.recorded() == {one.weight, one.bias, other.weight}


def test_layers_of_others_are_not() -> None:
    mine, frozen = nn.Linear(2, 3), nn.Linear(3, 1)
    with LinearTape(mine.parameters()) as tape:
        frozen(mine(torch.randn(5, 2)))
    assert [call.weight for call in tape.calls] == [mine.weight]


def test_a_stream_that_all_points_share_is_expanded() -> None:
    layer = nn.Linear(2, 3)
    with LinearTape(layer.parameters()) as tape:
        layer(torch.randn(5, 2))
        stream = nn.functional.linear(torch.tensor([[1.0, 0.0]]), layer.weight)
    assert stream.shape == (5, 3)
    assert tape.calls[1].inputs.shape == (5, 2)


def test_inputs_of_another_dimension_are_unusual() -> None:
    layer = nn.Linear(2, 3)
    with LinearTape(layer.parameters()) as tape:
        layer(torch.randn(4, 5, 2))
    assert not tape.calls
    assert tape.recorded() == set()


def test_a_permutation_of_some_points_is_found() -> None:
    ones = torch.randn(4, 3, dtype=torch.float64)
    ones[2] = 0  # a point that feeds no row
    rows = torch.tensor([5, 0, 0, 2])
    numbered = row_numbers(6, ones)[rows][:, None] * ones
    found = find_map(ones, numbered, 6)
    assert found is not None
    assert found[0] is not None
    assert found[0].tolist() == [0, 1, 3]
    assert torch.equal(torch.as_tensor(found[1]), torch.tensor([5, 0, 2]))


def test_points_in_the_order_of_the_rows() -> None:
    ones = torch.randn(6, 3, dtype=torch.float64)
    assert find_map(ones, row_numbers(6, ones)[:, None] * ones, 6) == (None, slice(0, 6))


def test_a_point_that_feeds_several_rows_is_no_map() -> None:
    ones = torch.randn(4, 3, dtype=torch.float64)
    assert find_map(ones, ones * torch.tensor([1.0, 1.2, 1.9], dtype=torch.float64), 4) is None
    assert find_map(ones, 3.0 * ones, 4) is None
