"""How the time of a step grows with points, width and number of terms: ours beside nested autograd, on Helmholtz."""

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
    """One point of a curve; all else as in the problem's configuration.

    Args:
        axis: Key of `AXES`.
        at: Where on it.
    """
    made = {
        "points": lambda: Case("helmholtz_2d", {"interior": at, "boundary": at // 5}),
        "width": lambda: Case("helmholtz_2d", width=at),
        "terms": lambda: Case("helmholtz_2d", parts=at // 2),
    }
    return made[axis]()


def curve(axis: str, where: Sequence[int], rounds: int) -> Iterator[dict[str, Any]]:
    """The points of a curve, one after the other.

    Args:
        axis: Key of `AXES`.
        where: Places on it.
        rounds: Turns of each contender at each place.
    """
    for at in where:
        yield {"at": at, **match(case(axis, at), [BY_NAME[name] for name in COMPARED], rounds)}
