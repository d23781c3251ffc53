"""The figure of the accuracy benchmark."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import accuracy_figure
from benchmarks.accuracy import FINISH, FIRST, PROBLEMS, Cell
from benchmarks.accuracy_page import TARGETS


def line(cell: Cell, *errors: float, end: float = 100.0) -> dict[str, Any]:
    times = np.linspace(0, end, len(errors))
    return {
        "cell": asdict(cell),
        "seconds": end,
        "history": [{"seconds": t, "mse": e} for t, e in zip(times, errors, strict=True)],
    }


def test_median_and_range_on_a_logarithmic_scale() -> None:
    cell = Cell("helmholtz_2d", "adamw")
    found = accuracy_figure.curve([line(cell, 1.0, 1e-4), line(cell, 1.0, 1e-6), line(cell, 1.0, 1e-8, end=50.0)])
    assert found.seconds[[0, -1]].tolist() == [0, 100]
    assert [x[-1] for x in (found.median, found.least, found.largest)] == pytest.approx([1e-6, 1e-8, 1e-4])
    assert np.interp(25.0, found.seconds, found.median) == pytest.approx(10**-1.5, rel=0.01)


def test_the_first_combination_of_a_pair_is_shown() -> None:
    first, other = Cell("helmholtz_2d", "auto_soap", "lm", 3000), Cell("helmholtz_2d", "auto_soap", "lm", 1000)
    stopped = Cell("poisson_inverse_2d", "adamw", at_noise=True)
    found = accuracy_figure.curves_of([line(other, 1.0, 1e-2), line(first, 1.0, 1e-3), line(stopped, 1.0, 1e-3)])
    assert found["helmholtz_2d"]["auto_soap", "lm"].median[-1] == pytest.approx(1e-3)
    assert found["poisson_inverse_2d"] == {}


def test_levels_are_medians() -> None:
    results = [{"problem": "helmholtz_2d", "method": "adamw", "mse": mse} for mse in (1.0, 2.0, 9.0)]
    assert accuracy_figure.levels_of(results)["helmholtz_2d"] == {"adamw": 2.0}


def test_it_draws_with_some_and_with_no_results(tmp_path: Path) -> None:
    results = [
        line(Cell("helmholtz_2d", "auto_soap", "lm", 3000), 1.0, 1e-3),
        line(Cell("poisson_inverse_2d", "auto_soap", "lm", 400, at_noise=True), 1.0, 1e-3, end=4.0),
        line(Cell("poisson_inverse_2d", "adamw"), 1.0, 1e-2),
    ]
    today = [{"problem": "helmholtz_2d", "method": "adamw", "mse": 1.0}]
    targets = {problem: target.median for problem, target in TARGETS.items()}
    for name, lines in {"some": results, "none": []}.items():
        curves, levels = accuracy_figure.curves_of(lines), accuracy_figure.levels_of(today)
        accuracy_figure.draw(curves, levels, targets, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 5000


def test_what_is_shown_exists() -> None:
    assert set(accuracy_figure.PANELS) == set(PROBLEMS)
    assert {first for first, _ in accuracy_figure.SHOWN} <= set(FIRST)
    assert {finish for _, finish in accuracy_figure.SHOWN} <= {*FINISH, ""}
