"""Checks of the variants' arguments."""


def check_at_least(name: str, value: float, least: float) -> None:
    """Refuse a number that is too small, or not finite.

    Raises:
        ValueError: If it is.
    """
    if not least <= value < float("inf"):
        raise ValueError(f"`{name}` must be finite and >= {least}, got {value}.")


def check_positive(name: str, value: float) -> None:
    """Refuse a number that is not positive and finite.

    Raises:
        ValueError: If it is not.
    """
    if not 0 < value < float("inf"):
        raise ValueError(f"`{name}` must be finite and > 0, got {value}.")


def check_fraction(name: str, value: float) -> None:
    """Refuse a number outside [0, 1].

    Raises:
        ValueError: If it is outside.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be >= 0 and <= 1, got {value}.")
