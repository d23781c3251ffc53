"""`python -m benchmarks references`: solve what has no closed form, and make measurements, for the examples."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.references import burgers, cavity, measured, membrane, periodic
from benchmarks.references.table import Errors, Table

OUT = Path("examples/pdes/references")
MEASUREMENTS = Path("examples/pdes/measurements")
SOLVERS: Mapping[str, Callable[[], tuple[Table, Errors]]] = {
    "allen_cahn": periodic.allen_cahn,
    "burgers": burgers.burgers,
    "kuramoto_sivashinsky": periodic.kuramoto_sivashinsky,
    "lid_driven_cavity": cavity.lid_driven_cavity,
    "poisson_l_shape": membrane.l_shape,
    "poisson_three_holes": membrane.three_holes,
}


def main(args: list[str]) -> None:
    """Write `<name>.npz`, the columns of the table, and `errors.json`; of measurements, `<name>.csv`.

    Args:
        args: Arguments of the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks references", description=__doc__)
    known = [*SOLVERS, *measured.MEASURED]
    parser.add_argument("names", nargs="*", default=known, help=f"of {', '.join(known)}; all by default")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the solutions")
    parser.add_argument("--measurements", type=Path, default=MEASUREMENTS, help="folder of the measurements")
    chosen = parser.parse_args(args)
    chosen.out.mkdir(parents=True, exist_ok=True)
    record = chosen.out / "errors.json"
    errors = json.loads(record.read_text()) if record.exists() else {}
    for name in measured.MEASURED.keys() & set(chosen.names):
        measured.write(name, chosen.measurements)
    for name in [name for name in chosen.names if name in SOLVERS]:
        table, found = SOLVERS[name]()
        columns: dict[str, Any] = {column: np.round(values, 9) for column, values in table.items()}
        np.savez_compressed(chosen.out / f"{name}.npz", **columns)
        errors[name] = {field: float(f"{error:.1e}") for field, error in found.items()}
        record.write_text(json.dumps(dict(sorted(errors.items())), indent=1) + "\n")
