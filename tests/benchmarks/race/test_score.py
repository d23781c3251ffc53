"""Errors are those of PINNacle's protocol, and its files are read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.race import score
from benchmarks.race.grids import ball_times, box, box_times
from benchmarks.race.rows import ROWS, SETTINGS, File, Row

NAN = float("nan")


def module(**given: Any) -> Any:
    domain = SimpleNamespace(coordinates=("x", "t"))
    return SimpleNamespace(**{"domain": domain, "fields": ("u",), "reference": None, "has_exact": False, **given})


def test_a_column_per_time_becomes_a_row_per_point_and_time(tmp_path: Path) -> None:
    (tmp_path / "u.dat").write_text("% x u@0 u@1 u@2\n0.0 1 2 3\n0.5 4 5 nan\n")
    x, values = score.read(tmp_path / "u.dat", File("u.dat", until=4.0), d=2)
    assert x.tolist() == [[0, 0], [0, 2], [0, 4], [0.5, 0], [0.5, 2]]
    assert values[:, 0].tolist() == [1, 2, 3, 4, 5]


def test_a_file_without_times_has_its_fields_as_columns(tmp_path: Path) -> None:
    (tmp_path / "w.dat").write_text("0 1 7 8 9\n2 3 4 5 6\n")
    x, values = score.read(tmp_path / "w.dat", File("w.dat"), d=2)
    assert x.tolist() == [[0, 1], [2, 3]]
    assert values.tolist() == [[7, 8, 9], [4, 5, 6]]


def test_a_folder_without_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"`--references` must be a folder with `u\.dat`, got"):
        score.read(tmp_path / "u.dat", File("u.dat"), d=2)


def test_the_error_is_joint_over_all_fields() -> None:
    known = score.Known(torch.zeros(2, 2), torch.tensor([[3.0, 0.0], [0.0, 4.0]]).double(), [0, 1])
    assert known.error(lambda _: torch.tensor([[3.0, 0.5], [0.0, 4.0]])) == pytest.approx(0.1)
    assert known.error(lambda _: torch.full((2, 2), NAN)) is None


def test_a_row_is_scored_by_formula_file_and_own_reference(tmp_path: Path) -> None:
    (tmp_path / "u.dat").write_text("0 0 1\n0 1 1\n")
    row = Row("title", "config", "grid", 1e-3, grid=box([(0, 1, 2), (0, 3, 2)]), file=File("u.dat"))
    of = module(
        has_exact=True,
        exact=lambda x: x[:, :1] + x[:, 1:],
        reference=SimpleNamespace(fields=("u",), table=(np.zeros((1, 2)), np.full((1, 1), 2.0))),
    )
    known = score.known(row, of, tmp_path)
    assert known["grid"].values[:, 0].tolist() == pytest.approx([4 / 3, 7 / 3, 5 / 3, 8 / 3])
    found = score.errors(known, lambda x: torch.ones(len(x), 1))
    assert found["file"] == 0.0
    assert found["own"] == 0.5
    assert set(score.known(row, of, None)) == {"grid", "own"}


def test_the_grids_have_the_numbers_of_the_protocol() -> None:
    assert {name: row.grid().shape for name, row in ROWS.items() if row.grid is not None} == {
        "heat_multiscale_2d": (8 * 8 * 313, 3),
        "wave_1d": (2500, 2),
        "poisson_nd": (8**5, 5),
        "heat_nd": (800 * 25, 6),
        "poisson_inverse_noisy_2d": (2500, 2),
        "heat_inverse_2d": (17 * 17 * 71, 3),
    }


def test_grids_lie_inside_and_end_with_the_last_time() -> None:
    assert box([(0, 1, 3)])()[:, 0].tolist() == [0.25, 0.5, 0.75]
    assert box_times([(0, 1, 1)], (4, 2))().tolist() == [[0.5, 2], [0.5, 4]]
    ball = ball_times(3, 50, (1, 4))()
    assert np.linalg.norm(ball[:, :3], axis=1).max() < 1
    assert sorted(set(ball[:, 3])) == [0.25, 0.5, 0.75, 1]


def test_boundary_points_are_shared_as_in_the_configuration() -> None:
    given = {"interior": 7, "initial": 5, "left": 30, "right": 10, "corner": 1}
    assert SETTINGS["small"].points(given, multiple=4) == {
        "interior": 2000,
        "initial": 200,
        "left": 300,
        "right": 100,
        "corner": 1,
    }
    assert SETTINGS["published"].points(given, multiple=4) == {
        "interior": 32768,
        "initial": 8192,
        "left": 6144,
        "right": 2048,
        "corner": 1,
    }
