<<<<<<< HEAD
"""The checks of numbers, at and beside their limits."""

from collections.abc import Callable
from functools import partial
from math import inf, nan

import pytest

from lightning_autobalance.utils.arguments import check_at_least, check_fraction, check_positive

below_one = partial(check_fraction, below_one=True)
RIGHT: list[tuple[Callable[..., None], tuple[float, ...]]] = [
    (check_at_least, (0, 0)),
    (check_at_least, (2.5, 0)),
    (check_positive, (1e-300,)),
    (check_fraction, (0,)),
    (check_fraction, (1,)),
    (below_one, (0.999,)),
]
WRONG: list[tuple[Callable[..., None], tuple[float, ...], str]] = [
    (check_at_least, (-1, 0), "`a` must be >= 0, got -1."),
    (check_at_least, (-1.0, 0), "`a` must be finite and >= 0, got -1.0."),
    (check_at_least, (inf, 0), "`a` must be finite and >= 0, got inf."),
    (check_at_least, (nan, 0), "`a` must be finite and >= 0, got nan."),
    (check_positive, (0,), "`a` must be finite and > 0, got 0."),
    (check_positive, (nan,), "`a` must be finite and > 0, got nan."),
    (check_positive, (inf,), "`a` must be finite and > 0, got inf."),
    (check_fraction, (1.1,), "`a` must be >= 0 and <= 1, got 1.1."),
    (check_fraction, (nan,), "`a` must be >= 0 and <= 1, got nan."),
    (below_one, (1.0,), "`a` must be >= 0 and < 1, got 1.0."),
]


@pytest.mark.parametrize(("check", "values"), RIGHT)
def test_what_is_in_range_passes(check: Callable[..., None], values: tuple[float, ...]) -> None:
    assert check("a", *values) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(("check", "values", "message"), WRONG)
def test_what_is_out_of_range_is_refused(check: Callable[..., None], values: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011  the whole message is compared
        check("a", *values)
    assert str(error.value) == message
=======
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
>>>>>>> optim
