"""What comes along with ready problems."""

from pathlib import Path

import pytest

from lightning_autobalance import problems
from lightning_autobalance.points import Interval
from lightning_autobalance.problems.packaged import FOLDER, later, packaged


def test_every_packaged_reference_is_that_of_a_problem() -> None:
    used = [getattr(problems, name).default_reference for name in problems.__all__]
    assert {Path(each["file"]) for each in used if each} == set(FOLDER.glob("*.npz"))
    assert Path(packaged("burgers_1d")["file"]).exists()


def test_a_domain_is_made_once_and_when_it_is_read() -> None:
    made = []

    def make() -> Interval:
        made.append(Interval(0, len(made) + 1))
        return made[-1]

    class Problem:
        domain = later(make)

    assert made == []
    assert Problem.domain is Problem().domain is made[0]
    assert len(made) == 1


def test_what_goes_wrong_is_told_by_the_domain() -> None:
    class Problem:
        domain = later(lambda: Interval(1, 0))

    with pytest.raises(ValueError, match="must"):
        _ = Problem.domain
