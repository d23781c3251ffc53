"""Finished runs, by what was trained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.sweeps import read

Line = Mapping[str, Any]


def key_of(line: Line) -> tuple[str, str, str, int, int]:
    """Identity of a run, as `Run.key`."""
    return line["problem"], line["variant"], line["method"], line["seed"], line["iterations"]


@dataclass(frozen=True)
class Cell:
    """The runs of one method with one variant on one problem.

    Args:
        lines: Lines of the results files, one per seed, sorted by seed.
        wanted: Expected number of seeds.
    """

    lines: Sequence[Line]
    wanted: int

    @property
    def complete(self) -> bool:
        """Whether every seed is there."""
        return len(self.lines) >= self.wanted

    @property
    def mse(self) -> list[float]:
        """The mean squared errors."""
        return [line["mse"] for line in self.lines]

    @property
    def failed(self) -> int:
        """How many runs are worse than the zero function, whose relative error is 1; NaN is, too."""
        return sum(not line["rel_l2"] < 1 for line in self.lines)

    @property
    def best(self) -> Line:
        """The run with the least mean squared error, as the paper reports."""
        return min(self.lines, key=lambda line: line["mse"])

    @property
    def median(self) -> float:
        """The median of the mean squared errors."""
        return median(self.mse)


class Results:
    """All finished runs with a given number of steps.

    Args:
        lines: Lines of results files.
        iterations: Only runs with this number of optimizer steps are used.
        seeds: Expected number of seeds.
    """

    def __init__(self, lines: Iterable[Line], iterations: int, seeds: int = 3) -> None:
        counted = {key_of(line): line for line in lines if line["iterations"] == iterations}  # no run counts twice
        self.lines = list(counted.values())
        self.iterations = iterations
        self.seeds = seeds

    @classmethod
    def of_files(cls, paths: Iterable[Path], iterations: int, seeds: int = 3) -> "Results":
        """Read results files; a missing file holds no runs.

        Args:
            iterations: Only runs with this number of optimizer steps are used.
            seeds: Expected number of seeds.
        """
        return cls([line for path in paths for line in read(path)], iterations, seeds)

    def cell(self, problem: str, method: str, variant: str = "plain", seeds: int | None = None) -> Cell:
        """The runs of one method with one variant on one problem.

        Args:
            problem: Name in the results, such as ``helmholtz_2d``.
            method: Name in the results, such as ``auto_adamw``.
            variant: Name in the results, such as ``rba``.
            seeds: Expected number of seeds; that of the results by default.
        """
        found = [r for r in self.lines if (r["problem"], r["method"], r["variant"]) == (problem, method, variant)]
        return Cell(sorted(found, key=lambda line: line["seed"]), self.seeds if seeds is None else seeds)
