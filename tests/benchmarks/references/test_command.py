"""The committed references are what the command writes."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.references.command import OUT, SOLVERS, main

ROOT = Path(__file__).parents[3]


def test_every_solver_has_its_file_and_error() -> None:
    folder = ROOT / OUT
    assert {file.stem for file in folder.glob("*.npz")} == set(SOLVERS)
    assert set(json.loads((folder / "errors.json").read_text())) == set(SOLVERS)
    for name in SOLVERS:
        assert (folder / f"{name}.npz").stat().st_size < 300_000
        columns = np.load(folder / f"{name}.npz")
        assert len({len(columns[column]) for column in columns}) == 1


@pytest.mark.parametrize("name", ["poisson_l_shape", "poisson_three_holes", "kuramoto_sivashinsky", "burgers"])
def test_what_is_committed_is_rewritten(name: str, tmp_path: Path) -> None:
    main([name, "--out", str(tmp_path)])
    old, new = (np.load(folder / f"{name}.npz") for folder in (ROOT / OUT, tmp_path))
    assert sorted(old) == sorted(new)
    for column in old:
        assert new[column] == pytest.approx(old[column], abs=1e-7)
