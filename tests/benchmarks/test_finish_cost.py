"""The memory of a step of Levenberg-Marquardt is what the docs say."""

from typing import Any

import pytest
import torch

from benchmarks.finish_cost import SMALL, peak
from helpers.runs import server


def measure(shapes: list[Any], pipe: Any) -> None:
    torch.set_num_threads(1)
    pipe.send(peak(*shapes))


@pytest.mark.parametrize(
    "shapes",
    [
        pytest.param(SMALL, marks=pytest.mark.slow),
        pytest.param(([100, 100, 100], {"interior": 1000, "boundary": 200}), marks=pytest.mark.slow),
        pytest.param(([20, 20], {"interior": 12_000, "boundary": 2400}), marks=pytest.mark.slow),
    ],
    ids=["square", "wide", "tall"],
)
def test_the_peak_memory_is_at_most_the_formula_and_near_it(shapes: Any) -> None:
    here, there = server().Pipe()
    process = server().Process(target=measure, args=(shapes, there))
    process.start()
    measured, formula = here.recv()
    process.join()
    assert measured <= formula <= 1.2 * measured
