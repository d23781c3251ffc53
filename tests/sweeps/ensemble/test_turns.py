"""Threads that take turns."""

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from lightning_autobalance.sweeps.ensemble.turns import Stopped, Turns
from lightning_autobalance.sweeps.ensemble.world import World


def play(turns: Turns, functions: list[Callable[[], None]]) -> None:
    turns.play(functions, [World.now().apart() for _ in functions], endures=ZeroDivisionError)


def together(requests: Mapping[int, Any]) -> dict[int, Any]:
    return dict.fromkeys(requests, sum(requests.values()))


def test_all_requests_are_answered_together_and_in_order() -> None:
    turns, heard = Turns(together), []

    def of(player: int) -> Callable[[], None]:
        def function() -> None:
            for i in range(3):
                time.sleep(0.001 * random.random())
                heard.append((i, player, turns.ask(player, 10**player)))

        return function

    play(turns, [of(player) for player in range(3)])
    assert heard == [(i, player, 111) for i in range(3) for player in range(3)]
    assert not turns.errors


def test_who_is_done_is_not_waited_for() -> None:
    turns, heard = Turns(together), []

    def of(player: int) -> Callable[[], None]:
        return lambda: heard.extend(turns.ask(player, 10**player) for _ in range(player))

    play(turns, [of(player) for player in range(3)])
    assert heard == [110, 110, 100] or heard == [110, 100, 110]


def test_some_may_be_answered_before_others() -> None:
    turns, heard = Turns(lambda requests: {max(requests): "now"}), []

    def of(player: int) -> Callable[[], None]:
        return lambda: heard.append((player, turns.ask(player, None)))

    play(turns, [of(player) for player in range(3)])
    assert heard == [(2, "now"), (1, "now"), (0, "now")]


def test_an_error_of_the_answer_is_raised_for_all() -> None:
    def fail(requests: Mapping[int, Any]) -> dict[int, Any]:
        raise ValueError("no")

    turns = Turns(fail)
    play(turns, [lambda: turns.ask(0, None), lambda: turns.ask(1, None)])
    assert {player: str(error) for player, error in turns.errors.items()} == {0: "no", 1: "no"}


@pytest.mark.parametrize(("error", "others"), [(ZeroDivisionError, None), (ValueError, Stopped)])
def test_errors_end_one_or_all(error: type[Exception], others: type[BaseException] | None) -> None:
    turns, done = Turns(together), []

    def bad() -> None:
        turns.ask(1, 1)
        raise error

    def good() -> None:
        turns.ask(0, 1)
        turns.ask(0, 1)
        done.append(True)

    play(turns, [good, bad])
    assert type(turns.errors[1]) is error
    assert type(turns.errors.get(0)) is (others or type(None))
    assert done == ([] if others else [True])


def test_who_did_not_begin_does_not_after_an_error() -> None:
    turns, begun = Turns(together), []

    def bad() -> None:
        raise ValueError

    play(turns, [bad, lambda: begun.append(True)])
    assert not begun


def test_everybody_has_random_numbers_and_a_default_dtype_of_their_own() -> None:
    turns, found = Turns(together), {}

    def of(player: int) -> Callable[[], None]:
        def function() -> None:
            torch.set_default_dtype(torch.float64 if player else torch.float32)
            drawn = []
            for _ in range(3):
                turns.ask(player, 0)
                drawn.append((float(torch.rand(())), float(np.random.random())))
            found[player] = (torch.get_default_dtype(), drawn)

        return function

    torch.manual_seed(0)
    np.random.seed(0)
    state, numbers, dtype = torch.get_rng_state(), np.random.get_state()[1], torch.get_default_dtype()
    play(turns, [of(0), of(1)])
    assert found[0][0] == torch.float32
    assert found[1][0] == torch.float64
    assert [n for _, n in found[0][1]] == [n for _, n in found[1][1]]  # as if each were alone
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numbers)
    assert torch.get_default_dtype() == dtype
