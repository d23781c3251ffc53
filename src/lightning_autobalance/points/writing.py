"""How a shape is written: as what a user would type."""

from collections.abc import Mapping


def number(value: float) -> str:
    """A number in as few digits as give it back."""
    short = f"{value:.12g}"
    return short if float(short) == value else repr(value)


def written(*values: float) -> str:
    """Numbers as a tuple."""
    return f"({', '.join(map(number, values))}{',' * (len(values) == 1)})"


def names_written(aliases: Mapping[str, str]) -> str:
    """The call of ``named`` that gives the names.

    Args:
        aliases: Former name by given name.
    """
    words = [repr(new) for new, old in aliases.items() if old == "boundary"]
    parts = {old: new for new, old in aliases.items() if old != "boundary"}
    if all(map(str.isidentifier, parts)):
        words += [f"{old}={new!r}" for old, new in parts.items()]
    else:
        words.append(f"**{parts!r}")
    return f".named({', '.join(words)})" if aliases else ""
