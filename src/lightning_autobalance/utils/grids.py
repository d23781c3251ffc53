"""Values on a grid, stored beside its axes, as rows of a table."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def flat_columns(arrays: Mapping[str, Array], axes: Sequence[str] = ()) -> dict[str, Array]:
    """Arrays as columns, (n,); those on a grid with one row for each of its points.

    Args:
        arrays: By name, all of the same shape, or ``axes`` of different lengths and values of one dimension for each.
        axes: Names of the arrays that may be axes. By default there is no grid.

    Raises:
        ValueError: If it cannot be told which rows belong together.
    """
    squeezed = {name: np.squeeze(values) for name, values in arrays.items()}
    if axes and _is_grid(squeezed, axes):
        squeezed = _meshed(squeezed, axes)
    shapes = {name: values.shape for name, values in squeezed.items()}
    if len(set(shapes.values())) > 1 and len({values.size for values in squeezed.values()}) == 1:
        raise ValueError(f"its columns must have the same shape, so that their rows belong together, got {shapes}.")
    return {name: np.ascontiguousarray(values).ravel() for name, values in squeezed.items()}


def _is_grid(arrays: Mapping[str, Array], axes: Sequence[str]) -> bool:
    sizes = {name: values.size for name, values in arrays.items()}
    points = np.prod([sizes[name] for name in axes])
    fits = all(size == points for name, size in sizes.items() if name not in axes)
    return fits and len(set(sizes.values())) > 1 and all(arrays[name].ndim <= 1 for name in axes)


def _meshed(arrays: Mapping[str, Array], axes: Sequence[str]) -> dict[str, Array]:
    """All arrays with one dimension for each axis that is longer than 1, in the order of the axes."""
    lengths = {name: arrays[name].size for name in axes}
    long = [length for length in lengths.values() if length > 1]
    mesh = np.meshgrid(*(arrays[name].ravel() for name in axes), indexing="ij")
    found = {name: np.squeeze(values) for name, values in zip(axes, mesh, strict=True)}
    for name in arrays.keys() - found.keys():
        shape = arrays[name].shape
        if sorted(shape) != sorted(long) or len(set(long)) < len(long):
            raise ValueError(
                f"its column {name!r} must tell by its shape which dimension belongs to which of the axes {lengths}, "
                f"got {shape}. Store axes and values in the same shape, "
                f"`{', '.join(axes)} = numpy.meshgrid({', '.join(axes)}, indexing='ij')` if the first dimension is "
                f"that of {axes[0]}."
            )
        found[name] = arrays[name].transpose([shape.index(length) for length in long])
    return {name: found[name] for name in arrays}
