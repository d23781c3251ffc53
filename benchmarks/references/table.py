"""Reference solutions as columns of equal length, one per coordinate and one per field."""

import numpy as np
from numpy.typing import NDArray

Table = dict[str, NDArray[np.float64]]
Errors = dict[str, float]  # by field


def relative_l2(found: NDArray[np.float64], exact: NDArray[np.float64]) -> float:
    """|found - exact| / |exact|."""
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))
