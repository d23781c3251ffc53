"""The comparison of the two modes of derivatives."""

from benchmarks import derivatives_speed


def test_the_ratio_lies_between_its_quartiles() -> None:
    found = derivatives_speed.measure(4, points=20)
    assert (found["points"], found["repeats"]) == (20, 4)
    low, high = found["ratio_range"]
    assert 0 < low <= found["ratio"] <= high
