"""Whether points are spread uniformly."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def assert_uniform(values: ArrayLike, low: float, high: float, *, bins: int = 16) -> None:
    """Chi-square test that independent numbers are uniform over an interval: fails for one seed in 10,000.

    Args:
        values: (n,), none outside the interval.
        low: Its left end.
        high: Its right end.
        bins: Number of bins.
    """
    found = np.asarray(values)
    assert found.min() >= low
    assert found.max() <= high
    counts = np.histogram(found, bins=bins, range=(low, high))[0]
    p = stats.chisquare(counts).pvalue
    assert p > 1e-4, f"not uniform over ({low}, {high}), p = {p:.1e}: {counts}"
