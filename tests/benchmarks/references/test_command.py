"""The committed references are what the command writes."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.references.command import FOLDERS, main

ROOT = Path(__file__).parents[3]
QUICK = [
    "burgers_1d",
    "kdv_1d",
    "poisson_l_shape",
    "poisson_three_holes",
]


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_every_solver_has_its_file_and_error(folder: Path) -> None:
    names = set(FOLDERS[folder])
    assert {file.stem for file in (ROOT / folder).glob("*.npz")} == names
    assert set(json.loads((ROOT / folder / "errors.json").read_text())) == names
    for name in names:
        assert (ROOT / folder / f"{name}.npz").stat().st_size < 300_000
        columns = np.load(ROOT / folder / f"{name}.npz")
        assert len({len(columns[column]) for column in columns}) == 1


@pytest.mark.parametrize("name", QUICK)
def test_what_is_committed_is_rewritten(name: str, tmp_path: Path) -> None:
    main([name, "--out", str(tmp_path)])
    own = next(folder for folder, solvers in FOLDERS.items() if name in solvers)
    old, new = (np.load(folder / f"{name}.npz") for folder in (ROOT / own, tmp_path))
    assert sorted(old) == sorted(new)
    for column in old:
        assert new[column] == pytest.approx(old[column], abs=1e-7)
    errors = [json.loads((folder / "errors.json").read_text())[name] for folder in (ROOT / own, tmp_path)]
    assert errors[0].keys() == errors[1].keys()
