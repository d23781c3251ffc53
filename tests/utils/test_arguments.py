"""Checks of numbers that a user gives."""

from collections.abc import Callable
from typing import Any

import pytest

from lightning_autobalance.utils.arguments import check_at_least, check_fraction, check_interval, check_positive

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("check", "good", "bad", "rule"),
    [
        (lambda n: check_at_least("x", n, 1), [1, 2, 1.0], [0, -1], ">= 1"),
        (lambda n: check_at_least("x", n, 1), [1.5], [0.5, INF, -INF, NAN], "finite and >= 1"),
        (lambda n: check_positive("x", n), [1, 1e-300], [0, -1, 0.0, INF, -INF, NAN], "finite and > 0"),
        (lambda n: check_fraction("x", n), [0, 0.5, 1], [-0.1, 1.1, NAN, INF], ">= 0 and <= 1"),
        (lambda n: check_fraction("x", n, below_one=True), [0, 0.5], [-0.1, 1, 1.1, NAN], ">= 0 and < 1"),
        (lambda n: check_interval("x", n, 0, 1), [0, 0.5], [-0.1, 1, NAN, INF], "in [0, 1)"),
        (lambda n: check_interval("x", n, 0, 0.5, ends="[]"), [0, 0.5], [-0.1, 0.6, NAN], "in [0, 0.5]"),
        (lambda n: check_interval("x", n, 0, 1, ends="(]"), [0.5, 1], [0, 1.1, NAN], "in (0, 1]"),
    ],
)
def test_a_number_out_of_range_is_refused(
    check: Callable[[Any], None], good: list[float], bad: list[float], rule: str
) -> None:
    for number in good:
        check(number)
    for number in bad:
        with pytest.raises(ValueError) as error:  # noqa: PT011  # the whole message is compared
            check(number)
        assert str(error.value) == f"`x` must be {rule}, got {number}."
