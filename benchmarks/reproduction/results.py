"""Finished runs, by what was trained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.sweeps import read

Line = Mapping[str, Any]


def key_of(line: Line) -> tuple[str, str, str, int, int]:
    """What makes a run the same run, as `Run.key`.

    Args:
        line: Of a results file.
    """
    return line["problem"], line["variant"], line["method"], line["seed"], line["iterations"]


@dataclass(frozen=True)
class Cell:
    """The runs of one method with one variant on one problem.

    Args:
        lines: Of the results files, one per seed, by seed.
        wanted: How many seeds there should be.
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
    """All finished runs of so many steps.

    Args:
        lines: Of results files.
        iterations: Optimizer steps of the runs that count.
        seeds: How many seeds there should be.
    """

    def __init__(self, lines: Iterable[Line], iterations: int, seeds: int = 3) -> None:
        counted = {key_of(line): line for line in lines if line["iterations"] == iterations}  # no run counts twice
        self.lines = list(counted.values())
        self.iterations = iterations
        self.seeds = seeds

    @classmethod
    def of_files(cls, paths: Iterable[Path], iterations: int, seeds: int = 3) -> "Results":
        """Read them; a file that is not there holds no runs.

        Args:
            paths: Results files.
            iterations: Optimizer steps of the runs that count.
            seeds: How many seeds there should be.
        """
        return cls([line for path in paths for line in read(path)], iterations, seeds)

    def cell(self, problem: str, method: str, variant: str = "plain", seeds: int | None = None) -> Cell:
        """The runs of one method with one variant on one problem.

        Args:
            problem: Its name in the results.
            method: Its name in the results.
            variant: Its name in the results.
            seeds: How many there should be, where it is another number than usual.
        """
        found = [r for r in self.lines if (r["problem"], r["method"], r["variant"]) == (problem, method, variant)]
        return Cell(sorted(found, key=lambda line: line["seed"]), self.seeds if seeds is None else seeds)
