"""The rows of the race: public problems, what is known about them, and how errors are counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.race.grids import Grid, ball_times, box, box_times

CONFIGS = Path("configs")
SINGLE = 1  # a part with one point, such as a corner, keeps it


@dataclass(frozen=True)
class Setting:
    """Network and numbers of points, the same for every contender.

    Args:
        hidden: Widths of the hidden layers.
        interior: Points of the equation.
        boundary: Points of all other parts together, but the start.
        initial: Points of the start.
        grows: Whether a row's ``multiple`` counts.
    """

    hidden: tuple[int, ...]
    interior: int
    boundary: int
    initial: int
    grows: bool = False

    def points(self, given: Mapping[str, int], multiple: int = 1) -> dict[str, int]:
        """Numbers of points by part: those on the boundary share theirs as in the row's configuration.

        Args:
            given: Of the configuration.
            multiple: Of the row.
        """
        factor = multiple if self.grows else 1
        fixed = {"interior": self.interior * factor, "initial": self.initial * factor}
        shared = {part: n for part, n in given.items() if part not in fixed and n > SINGLE}
        whole = sum(shared.values())
        counts = {part: max(1, round(self.boundary * factor * n / whole)) for part, n in shared.items()}
        return {part: fixed.get(part, counts.get(part, n)) for part, n in given.items()}


SETTINGS = {
    "small": Setting((50, 50, 50), 2000, 400, 200),
    "published": Setting((100,) * 5, 8192, 2048, 2048, grows=True),
}


@dataclass(frozen=True)
class File:
    """A file of the benchmark's authors with their solution.

    Args:
        name: Of the file.
        until: Where a column belongs to a time, the last one; the first is 0, all are equally far from each other.
    """

    name: str
    until: float | None = None


@dataclass(frozen=True)
class Row:
    """A problem of the race.

    Args:
        title: Its name in the paper.
        config: File of `configs` with our module and our recipe.
        metric: What is judged: the error at the ``grid`` of the protocol, at the points of its ``file``, or against our
            ``own`` reference, where the file is off or there is none.
        target: Largest error wanted of the recommended recipe.
        best: Lowest relative L2 error found in published texts; None where none was found.
        grid: The protocol's points, where the solution is a formula.
        file: The protocol's file, where there is one.
        multiple: How many times the protocol's numbers of points; in the setting ``published`` only.
        note: What a reader must know.
    """

    title: str
    config: str
    metric: Literal["grid", "file", "own"]
    target: float
    best: float | None = None
    grid: Grid | None = None
    file: File | None = None
    multiple: int = 1
    note: str = ""


ROWS = {
    "burgers_1d": Row(
        "Burgers 1d-C",
        "burgers_1d",
        "own",
        1e-4,
        1.3e-2,
        file=File("burgers1d.dat", until=1.0),
        note="Judged against the solution by Cole and Hopf: the benchmark's file is off by 1.3e-2 itself.",
    ),
    "poisson_2d_classic": Row(
        "Poisson 2d-C",
        "poisson_2d_classic",
        "file",
        4e-3,
        8.2e-3,
        file=File("poisson1_cg_data.dat"),
        note="A finite element solution on the file's own nodes agrees with it to 2e-3 only.",
    ),
    "poisson_boltzmann_2d": Row(
        "Poisson-Boltzmann 2d-CG", "poisson_boltzmann_2d", "file", 2e-3, 4.1e-3, file=File("poisson_boltzmann2d.dat")
    ),
    "heat_multiscale_2d": Row(
        "Heat 2d-MS", "heat_multiscale_2d", "grid", 1e-3, 1.4e-2, grid=box_times([(0, 1, 8)] * 2, (5, 313)), multiple=4
    ),
    "heat_long_time_2d": Row(
        "Heat 2d-LT",
        "heat_long_time_2d",
        "file",
        1e-1,
        1.0,
        file=File("heat_longtime.dat", until=100.0),
        multiple=4,
        note="The file is 3.5e-2 away from a converged solution.",
    ),
    "lid_driven_cavity": Row("NS 2d-C", "lid_driven_cavity", "file", 1e-2, 2.4e-2, file=File("lid_driven_a4.dat")),
    "backward_facing_step": Row(
        "NS 2d-CG",
        "backward_facing_step",
        "file",
        5e-2,
        8.2e-2,
        file=File("ns_0_obstacle.dat"),
        note="With v = 0 at the outlet for all; the benchmark asks for p = 0 only. Its file has another pressure.",
    ),
    "wave_1d": Row("Wave 1d-C", "wave_1d", "grid", 3e-4, 1.6e-2, grid=box([(0, 1, 50)] * 2)),
    "poisson_nd": Row("Poisson 5-d", "poisson_nd", "grid", 5e-6, 1.3e-4, grid=box([(0, 1, 8)] * 5), multiple=4),
    "heat_nd": Row("Heat 5-d", "heat_nd", "grid", 1e-5, 1.2e-4, grid=ball_times(5, 800, (1, 25)), multiple=4),
    "poisson_inverse_noisy_2d": Row(
        "PInv",
        "poisson_inverse_noisy_2d",
        "grid",
        1e-3,
        1.5e-2,
        grid=box([(0, 1, 50)] * 2),
        note="With the source corrected: that of the benchmark's code does not belong to its solution.",
    ),
    "heat_inverse_2d": Row(
        "HInv", "heat_inverse_2d", "grid", 1e-2, 3.8e-2, grid=box_times([(-1, 1, 17)] * 2, (1, 71)), multiple=4
    ),
    "allen_cahn_1d": Row("Allen-Cahn", "allen_cahn_1d", "own", 5e-5, 5e-5),
    "convection_1d": Row("Convection", "convection_1d", "own", 1e-3, 1e-3),
    "kdv_1d": Row(
        "KdV",
        "kdv_1d",
        "own",
        1e-3,
        note="With a dispersion of 0.0025; published errors are of 0.022²: none to compare.",
    ),
}


def ready() -> list[str]:
    """The rows whose configuration is there."""
    return [name for name, row in ROWS.items() if (CONFIGS / f"{row.config}.yaml").is_file()]
