"""Growth of the time of a step with points, width and number of terms, beside nested autograd, on Helmholtz."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.peers.case import Case
from benchmarks.peers.contenders import BY_NAME
from benchmarks.peers.match import match

COMPARED = ("fit", "fit_compiled", "nested")
AXES: Mapping[str, Sequence[int]] = {
    "points": (500, 2000, 8000, 50_000),
    "width": (20, 50, 150, 500),
    "terms": (2, 4, 8, 16),
}
LABELS = {"points": "points inside", "width": "width of the hidden layers", "terms": "loss terms"}


def case(axis: str, at: int) -> Case:
    """The case at one value of an axis; all else as in the problem's configuration.

    Args:
        axis: Key of `AXES`.
        at: Value on this axis.
    """
    made = {
        "points": lambda: Case("helmholtz_2d", {"interior": at, "boundary": at // 5}),
        "width": lambda: Case("helmholtz_2d", width=at),
        "terms": lambda: Case("helmholtz_2d", parts=at // 2),
    }
    return made[axis]()


def curve(axis: str, where: Sequence[int], rounds: int) -> Iterator[dict[str, Any]]:
    """Measure a growth curve, value by value.

    Args:
        axis: Key of `AXES`.
        where: Values on this axis.
        rounds: Number of turns of each contender at each value.
    """
    for at in where:
        yield {"at": at, **match(case(axis, at), [BY_NAME[name] for name in COMPARED], rounds)}
