"""Names of derivatives and what they need."""

import pytest

from lightning_autobalance.derivatives.names import Plan, chain_rule, parse, partitions, splits


def test_names_become_sorted_multi_indices() -> None:
    assert parse(["", "x", "yx", "xx+yy"], 2) == [((),), ((0,),), ((0, 1),), ((0, 0), (1, 1))]


def test_time_is_the_last_column() -> None:
    assert parse(["t", "xx"], 2) == [((1,),), ((0, 0),)]
    assert parse(["t", "y"], 3) == [((2,),), ((1,),)]
    assert parse(["t"], 1) == [((0,),)]


def test_given_coordinates_hold() -> None:
    assert parse(["t", "r"], 2, ("t", "r")) == [((0,),), ((1,),)]


@pytest.mark.parametrize(
    ("names", "d", "coordinates", "message"),
    [
        (["z"], 2, None, r"`names` must use the coordinates x, y, got 'z' in 'z'"),
        (["y", "t"], 2, None, r"`names` must use the coordinates x, t, got 'y'"),
        (["x", "xz"], 2, ("x", "y"), r"got 'z' in 'xz'"),
        (["xx+y"], 2, None, r"`names` must add derivatives of one order, got 'xx\+y'"),
        (["x"], 2, ("x",), r"`coordinates` must be 2 different words of letters"),
        (["x"], 2, ("x", "x"), r"`coordinates` must be 2 different words of letters"),
    ],
)
def test_names_that_cannot_be_read(names: list[str], d: int, coordinates: tuple[str, ...] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(names, d, coordinates)


def test_a_plan_holds_what_the_chain_rule_needs_and_no_more() -> None:
    assert Plan.of(parse(["xx+yy"], 2)).streams == (((),), ((0,),), ((1,),), ((0, 0), (1, 1)))
    assert Plan.of(parse(["xxy"], 2)).streams == (
        ((),),
        ((0,),),
        ((1,),),
        ((0, 0),),
        ((0, 1),),
        ((0, 0, 1),),
    )
    assert Plan.of(parse([""], 2)).order == 0


@pytest.mark.parametrize(("order", "bell"), [(0, 1), (1, 1), (2, 2), (3, 5), (4, 15)])
def test_there_are_as_many_partitions_as_bells_number(order: int, bell: int) -> None:
    assert len(partitions(tuple(range(order)))) == bell


def test_partitions_by_hand() -> None:
    found = sorted(sorted(blocks) for blocks in partitions((0, 0, 1)))
    assert found == sorted([[(0, 0, 1)], [(0, 0), (1,)], [(0,), (0, 1)], [(0,), (0, 1)], [(0,), (0,), (1,)]])


def test_chain_rule_by_hand() -> None:
    assert chain_rule(((0, 0), (1, 1))) == {2: {((0,), (0,)): 1, ((1,), (1,)): 1}}
    assert chain_rule(((0, 0, 1),)) == {2: {((0, 0), (1,)): 1, ((0,), (0, 1)): 2}, 3: {((0,), (0,), (1,)): 1}}
    assert not chain_rule(((0,), (1,)))


def test_a_plan_without_first_derivatives_is_not_complete() -> None:
    plan = Plan.of(parse(["xx+yy"], 2))
    assert plan.complete
    assert plan.without_firsts() == Plan((((),), ((0, 0), (1, 1))), order=2, complete=False)
    assert Plan.of(parse([""], 2)).without_firsts().complete


def test_splits_by_hand() -> None:
    assert splits(((0, 0, 1),)) == {
        ((0,), (0, 1)): 2,
        ((1,), (0, 0)): 1,
        ((0, 0), (1,)): 1,
        ((0, 1), (0,)): 2,
    }
    assert splits(((0, 0), (1, 1))) == {((0,), (0,)): 2, ((1,), (1,)): 2}
    assert not splits(((0,), (1,)))


def test_a_product_needs_no_stream_that_a_plan_lacks() -> None:
    wanted = parse(["xyy", "xx+yy", "xxx+xyy", "x+y"], 2)
    streams = Plan.of(wanted).streams
    assert all((part,) in streams for s in streams for split in splits(s) for part in split)
