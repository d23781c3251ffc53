"""Validators of numeric arguments; the only ones in the package."""

from typing import Literal


def check_at_least(name: str, value: float, least: float) -> None:
    """Check that a number is finite and at least ``least``.

    Raises:
        ValueError: If it is not.
    """
    if not least <= value < float("inf"):
        finite = "finite and " if isinstance(value, float) else ""
        raise ValueError(f"`{name}` must be {finite}>= {least}, got {value}.")


def check_positive(name: str, value: float) -> None:
    """Check that a number is positive and finite.

    Raises:
        ValueError: If it is not.
    """
    if not 0 < value < float("inf"):
        raise ValueError(f"`{name}` must be finite and > 0, got {value}.")


def check_fraction(name: str, value: float, *, below_one: bool = False) -> None:
    """Check that a number is in [0, 1], or in [0, 1) if ``below_one``.

    Raises:
        ValueError: If it is not.
    """
    if not 0 <= value <= 1 or (below_one and value == 1):
        raise ValueError(f"`{name}` must be >= 0 and {'<' if below_one else '<='} 1, got {value}.")


def check_interval(
    name: str, value: float, low: float, high: float, *, ends: Literal["[]", "[)", "(]", "()"] = "[)"
) -> None:
    """Check that a number is in an interval; NaN is in none.

    Args:
        ends: Which ends belong to the interval, in mathematical notation.

    Raises:
        ValueError: If it is not.
    """
    above = low <= value if ends[0] == "[" else low < value
    below = value <= high if ends[1] == "]" else value < high
    if not (above and below):
        raise ValueError(f"`{name}` must be in {ends[0]}{low:g}, {high:g}{ends[1]}, got {value}.")
