"""Checks of numbers that a user gives."""

from typing import Literal


def check_at_least(name: str, value: float, least: float) -> None:
    """Refuse a number that is too small, or not finite.

    Raises:
        ValueError: If it is.
    """
    if not least <= value < float("inf"):
        finite = "finite and " if isinstance(value, float) else ""
        raise ValueError(f"`{name}` must be {finite}>= {least}, got {value}.")


def check_positive(name: str, value: float) -> None:
    """Refuse a number that is not positive and finite.

    Raises:
        ValueError: If it is not.
    """
    if not 0 < value < float("inf"):
        raise ValueError(f"`{name}` must be finite and > 0, got {value}.")


def check_fraction(name: str, value: float, *, below_one: bool = False) -> None:
    """Refuse a number outside [0, 1], or outside [0, 1) where 1 is refused too.

    Raises:
        ValueError: If it is outside.
    """
    if not 0 <= value <= 1 or (below_one and value == 1):
        raise ValueError(f"`{name}` must be >= 0 and {'<' if below_one else '<='} 1, got {value}.")


def check_interval(name: str, value: float, low: float, high: float, *, ends: Literal["[]", "[)", "(]"] = "[)") -> None:
    """Refuse a number outside an interval; NaN lies outside.

    Args:
        ends: Which ends belong to the interval, in mathematical notation.

    Raises:
        ValueError: If the number lies outside.
    """
    above = low <= value if ends[0] == "[" else low < value
    below = value <= high if ends[1] == "]" else value < high
    if not (above and below):
        raise ValueError(f"`{name}` must be in {ends[0]}{low:g}, {high:g}{ends[1]}, got {value}.")
