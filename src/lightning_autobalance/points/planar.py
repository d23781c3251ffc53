"""Components and holes of planar shapes, by shapely."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lightning_autobalance.points.overlap import check_overlap
from lightning_autobalance.points.rounding import Array

TOLERANCE = 0.01  # of a length; outlines of curves have 256 edges
SMALLEST = 1e-13  # area that counts, of that of the operands; rounding leaves less


def shapely_or_remedy() -> Any:
    """The module.

    Raises:
        ModuleNotFoundError: With the remedy, if it is not installed.
    """
    try:
        import shapely
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "`shapely` must be installed for polygons and for `|`, `&` and `-` of planar shapes. Install it with `pip "
            'install "lightning-autobalance[geometry]"`.'
        ) from error
    return shapely


def combined(operator: str, a: Any, b: Any, written: str) -> Any:
    """The outline of a combination, if it is one piece.

    Args:
        operator: "|", "&" or "-".
        a: Outline, a polygon of shapely.
        b: The other.
        written: The combination, for errors.

    Raises:
        ValueError: If it is empty or in several pieces, or nothing is subtracted.
    """
    shapely = shapely_or_remedy()
    smallest = SMALLEST * max(a.area, b.area)
    if operator != "|":
        check_overlap(operator, shapely.intersection(a, b).area > smallest, written)
    made = {"|": shapely.union, "&": shapely.intersection, "-": shapely.difference}[operator](a, b)
    pieces = [p for p in shapely.get_parts(made) if p.geom_type == "Polygon" and p.area > smallest]
    if not pieces:
        raise ValueError(f"`{operator}` must leave something, got nothing for {written}.")
    if len(pieces) > 1:
        raise ValueError(
            f"`{operator}` must give one connected shape, got {len(pieces)} pieces for {written}. They must overlap, "
            "or share more than a point, to be one; otherwise take a problem for each."
        )
    rings = [ring for ring in pieces[0].interiors if shapely.Polygon(ring).area > smallest]
    return shapely.Polygon(pieces[0].exterior, rings)


def rings(outline: Any) -> dict[str, Any]:
    """Closed lines of a polygon by name: "outer", and "hole_1", "hole_2", ... by the x, then the y of their centroids.

    Args:
        outline: Polygon of shapely.
    """
    shapely = shapely_or_remedy()
    left, bottom, right, top = outline.bounds
    size = max(right - left, top - bottom)

    def place(ring: Any) -> tuple[float, float]:
        center = shapely.Polygon(ring).centroid
        return round((center.x - left) / size, 9), round((center.y - bottom) / size, 9)

    holes = sorted(outline.interiors, key=place)
    return {"outer": outline.exterior, **{f"hole_{i}": ring for i, ring in enumerate(holes, 1)}}


def numbers_by_ring(outline: Any, middles: Array) -> dict[str, list[int]]:
    """Which pieces of a boundary belong to which closed line: nothing without holes; "hole" is all of them.

    Args:
        outline: Polygon of shapely.
        middles: A point of each piece, (n, 2).
    """
    shapely = shapely_or_remedy()
    lines = rings(outline)
    away = np.stack([shapely.distance(shapely.points(middles), line) for line in lines.values()])
    nearest = away.argmin(axis=0)
    return with_all_holes({name: np.flatnonzero(nearest == i).tolist() for i, name in enumerate(lines)})


def with_all_holes(by_ring: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The same with "hole" for all holes together; single holes only if there are several, and no "outer" without.

    Args:
        by_ring: What belongs to "outer", "hole_1", "hole_2", ...
    """
    holes = {name: values for name, values in by_ring.items() if name != "outer"}
    if not holes:
        return {}
    everything = [value for values in holes.values() for value in values]
    return {"outer": by_ring["outer"], "hole": everything, **(holes if len(holes) > 1 else {})}


def check_lengths(outline: Any, lengths: Mapping[str, float], operator: str, written: str) -> None:
    """Check that what was found of a boundary is as long as its outline, to 1 %.

    Args:
        outline: Polygon of shapely.
        lengths: Of "outer" and "hole", or of each hole by itself.
        operator: "|", "&" or "-".
        written: The combination, for errors.

    Raises:
        ValueError: If a closed line is not as long as its outline.
    """
    for name, line in rings(outline).items():
        found = lengths.get(name, lengths.get("hole", 0.0))
        if abs(found - line.length) > TOLERANCE * line.length:
            raise ValueError(
                f"`{operator}` must give a shape without parts too thin to tell their two sides and without sides that "
                f"nearly coincide or merely touch, got a boundary ({name}) of length {found:.6g} where "
                f"{line.length:.6g} is expected for {written}. Let sides coincide or move them apart."
            )
