"""The targets for the time of a step, and whether they are reached."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Found = Mapping[str, Any]
Spread = tuple[float, float, float]


class Target(NamedTuple):
    """A ratio of two contenders' steps on Helmholtz, and its limit.

    Args:
        ours: Name of a contender.
        other: The contender whose time is the denominator.
        limit: Largest ratio that reaches the target.
    """

    ours: str
    other: str
    limit: float


OURS = ("fit_default", "fit")
TARGETS = [
    *(Target(ours, "pina", 0.33) for ours in OURS),
    *(Target(ours, "deepxde", 0.39) for ours in OURS),
    *(Target(ours, "nested", 0.45) for ours in OURS),
    *(Target(ours, "products", 2.0) for ours in OURS),
    Target("loop", "loop_adamw", 1.10),
]
OF_THE_LOOP = {  # keys of the results of `loop_cost`
    "monitor_ratio": ("`fit`, by `fit` without the balance monitor", 1.02),
    "ratio": ("`fit`, by a bare torch loop", 1.05),
}


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles.

    Args:
        values: One value per round.
    """
    if len(values) == 1:
        return values[0], values[0], values[0]
    lower, middle, upper = statistics.quantiles(values, n=4, method="inclusive")
    return middle, lower, upper


def ratios(found: Found, ours: str, other: str) -> list[float]:
    """Ratio of the times of two contenders in every round.

    Args:
        found: Result of `match`.
        other: The contender whose time is the denominator.
    """
    return [a / b for a, b in zip(found["ms"][ours], found["ms"][other], strict=True)]


def verdict(ratio: float, limit: float) -> str:
    """Whether the target is reached, and by how much.

    Args:
        ratio: The measured ratio; smaller is better.
        limit: The target.
    """
    if ratio <= limit:
        return f"reached, {1 - ratio / limit:.1%} below"
    return f"missed by {ratio / limit - 1:.1%}"


def verdicts(found: Found, loop: Mapping[str, Any], titles: Mapping[str, str]) -> list[list[str]]:
    """One row per target: ratio, limit, measured value, verdict.

    Args:
        found: Result of `match` for Helmholtz.
        loop: Results of `loop_cost`.
    """
    rows = []
    for target in TARGETS:
        what = f"{titles[target.ours]}, by {titles[target.other]}"
        gone = [name for name in (target.ours, target.other) if name not in found["ms"]]
        if gone:
            rows.append([what, f"{target.limit:.2f}", "-", f"not measured: {found['absent'].get(gone[0], 'left out')}"])
        else:
            middle, lower, upper = spread(ratios(found, target.ours, target.other))
            measured = f"{middle:.2f} ({lower:.2f} to {upper:.2f})"
            rows.append([what, f"{target.limit:.2f}", measured, verdict(middle, target.limit)])
    for key, (title, limit) in OF_THE_LOOP.items():
        low, high = loop[f"{key}_range"]
        rows.append([title, f"{limit:.2f}", f"{loop[key]:.3f} ({low:.3f} to {high:.3f})", verdict(loop[key], limit)])
    return rows
