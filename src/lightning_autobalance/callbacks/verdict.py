"""One sentence on how good a solution is, and where its error is largest."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Box, Domain

GRID = 10_000  # points at which the error is looked at
GRADES = {1e-3: "very good", 1e-2: "good", 1e-1: "rough", 0.5: "poor"}  # relative L2 errors below these
WRONG = "not a solution"
AT_END = 1e-6  # relative to the length of an interval
MANY = 3  # coordinates, above which a place has no short name


@dataclass(frozen=True)
class Largest:
    """Where the error is largest.

    Args:
        error: There, absolute.
        field: Of which field.
        point: The coordinates.
        place: The point in words.
    """

    error: float
    field: str
    point: tuple[float, ...]
    place: str


def verdict(rel_l2: float, largest: Largest | None = None) -> str:
    """The sentence.

    Args:
        rel_l2: The relative L2 error.
        largest: Where the error is largest; None leaves it out.
    """
    grade = next((word for bound, word in GRADES.items() if rel_l2 < bound), WRONG)
    percent = f"{100 * rel_l2:.2g} %" if 1e-5 <= rel_l2 < 0.1 else f"{100 * rel_l2:.0f} %"
    percent = percent if 1e-5 <= rel_l2 < 10 else f"{rel_l2:.1e}"
    if largest is None:
        return f"Relative L2 error {percent}: {grade}."
    there = f"it is largest at {largest.place} ({largest.error:.1e} in {largest.field})"
    return f"Relative L2 error {percent}: {grade}; {there}."


def find_largest(module: PINNModule) -> Largest | None:
    """The largest error over a grid, or over the points of a reference; None without a solution to compare with.

    Args:
        module: Gives the fields.
    """
    fields = module.compared
    columns = [module.fields.index(name) for name in fields]
    if (reference := module.reference) is not None:
        x = torch.as_tensor(reference.points, dtype=module.points_dtype)
        known = torch.as_tensor(reference.values[:, [reference.fields.index(name) for name in fields]])
    elif module.has_exact:
        x, known = module.grid(GRID), None
    else:
        return None
    worst, place, field = -1.0, 0, 0
    for i in range(0, len(x), GRID):
        part = x[i : i + GRID].to(module.device)
        with torch.no_grad():
            exact = module.exact(part)[:, columns] if known is None else known[i : i + GRID].to(module.device)
            errors = (module(part)[:, columns] - exact).abs().double().cpu()
        row, column = divmod(int(errors.nan_to_num().argmax()), errors.shape[1])
        if float(errors[row, column]) > worst:
            worst, place, field = float(errors[row, column]), i + row, column
    point = tuple(x[place].tolist())
    return Largest(worst, fields[field], point, place_in_words(module.domain, point))


def place_in_words(domain: Domain, point: Sequence[float]) -> str:
    """Such as "the corner (1, 1)", "the side x = 0", "the end (t = 1, x = 0.5)" or "(0.2, 0.7)".

    Args:
        domain: A name for a side is given in boxes only, and to the ends of time in all domains.
        point: One point in it.
    """
    names = domain.coordinates
    shown = "(" + ", ".join(f"{x:.3g}" for x in point) + ")"
    at_end = [_is_end(x, *bounds) for x, bounds in zip(point, domain.bounds, strict=True)]
    if len(point) > MANY:
        return _named(names, point)
    if "t" in names:
        t = names.index("t")
        if at_end[t]:
            return f"the {'start' if point[t] < sum(domain.bounds[t]) / 2 else 'end'} of time, {_named(names, point)}"
        return _named(names, point)
    if not isinstance(domain, Box) or not any(at_end):
        return shown if len(point) > 1 else f"{names[0]} = {point[0]:.3g}"
    if len(point) == 1:
        return f"the end {names[0]} = {point[0]:.3g}"
    if all(at_end):
        return f"the corner {shown}"
    sides = ", ".join(f"{name} = {x:.3g}" for name, x, end in zip(names, point, at_end, strict=True) if end)
    return f"the side {sides}, {shown}"


def _named(names: Sequence[str], point: Sequence[float]) -> str:
    return "(" + ", ".join(f"{name} = {x:.3g}" for name, x in zip(names, point, strict=True)) + ")"


def _is_end(x: float, low: float, high: float) -> bool:
    return min(abs(x - low), abs(high - x)) <= AT_END * (high - low)
