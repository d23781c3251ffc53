"""The clock of the benchmarks of `fit`."""

import pytest

from benchmarks.loop_cost import WARM_UP, Clock


def test_the_clock_leaves_out_the_warm_up() -> None:
    clock = Clock()
    slow_start = [10.0 * i for i in range(WARM_UP)]
    clock.marks = [*slow_start, 300.0, 300.5, 301.0, 303.0]  # three steps after the warm-up
    assert clock.seconds == pytest.approx(1.0)


def test_a_step_is_one_mark() -> None:
    clock = Clock()
    for _ in range(3):
        clock.on_before_optimizer_step()
    assert len(clock.marks) == 3
    assert clock.marks == sorted(clock.marks)
