"""`python -m benchmarks references`: solve what has no closed form, for problems and examples; make measurements."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.references import burgers, cavity, heat_long_time, holes, measured, membrane, periodic
from benchmarks.references.table import Errors, Table

Solver = Callable[[], tuple[Table, Errors]]
MEASUREMENTS = Path("examples/pdes/measurements")
FOLDERS: Mapping[Path, Mapping[str, Solver]] = {
    Path("src/lightning_autobalance/problems/references"): {
        "allen_cahn_1d": periodic.allen_cahn,
        "burgers_1d": burgers.burgers,
        "gray_scott_1d": periodic.gray_scott,
        "kdv_1d": periodic.kdv,
        "kuramoto_sivashinsky_1d": periodic.kuramoto_sivashinsky,
        "heat_long_time_2d": heat_long_time.heat_long_time,
        "lid_driven_cavity": cavity.lid_driven_cavity,
        "poisson_2d_classic": holes.poisson_classic,
        "poisson_boltzmann_2d": holes.poisson_boltzmann,
    },
    Path("examples/pdes/references"): {
        "poisson_l_shape": membrane.l_shape,
        "poisson_three_holes": membrane.three_holes,
    },
}


def main(args: list[str]) -> None:
    """Write `<name>.npz`, the columns of the table, and `errors.json`; of measurements, `<name>.csv`.

    Args:
        args: Arguments of the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks references", description=__doc__)
    known = [*(name for solvers in FOLDERS.values() for name in solvers), *measured.MEASURED]
    parser.add_argument("names", nargs="*", default=known, help=f"of {', '.join(known)}; all by default")
    parser.add_argument("--out", type=Path, help="folder of the solutions, in place of their own")
    parser.add_argument("--measurements", type=Path, default=MEASUREMENTS, help="folder of the measurements")
    chosen = parser.parse_args(args)
    for name in measured.MEASURED.keys() & set(chosen.names):
        measured.write(name, chosen.measurements)
    for folder, solvers in FOLDERS.items():
        for name in [name for name in chosen.names if name in solvers]:
            write(name, solvers[name], chosen.out or folder)


def write(name: str, solver: Solver, folder: Path) -> None:
    """Write one solution as `<name>.npz`, nine digits after the point, and its errors into `errors.json`.

    Args:
        name: Of the problem.
        solver: Its solver.
        folder: Created if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "errors.json"
    errors = json.loads(record.read_text()) if record.exists() else {}
    table, found = solver()
    columns: dict[str, Any] = {column: np.round(values, 9) for column, values in table.items()}
    np.savez_compressed(folder / f"{name}.npz", **columns)
    errors[name] = {field: float(f"{error:.1e}") for field, error in found.items()}
    record.write_text(json.dumps(dict(sorted(errors.items())), indent=1) + "\n")
