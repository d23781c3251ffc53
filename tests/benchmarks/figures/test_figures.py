"""Every figure shows what the results files hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from benchmarks import fields, hessian
from benchmarks.figures import draw, history, spectra
from benchmarks.figures import fields as heatmaps
from benchmarks.figures.rows import ROWS, best_of
from benchmarks.reproduction.conditioning import conditions, curve
from benchmarks.reproduction.paper import OURS, PROBLEMS
from benchmarks.reproduction.pictures import PICTURES, shown
from benchmarks.reproduction.results import Results
from helpers.toys import Poisson2D

ROOT = Path(__file__).parents[3]
COMPUTED = PICTURES.keys() - {"quadratic"}  # which an example draws, with a test of its own
KEYS = ("grad_ratio", "grad_cos", "update_ratio", "update_cos")


def line(seed: int, problem: str = "helmholtz_2d") -> dict[str, Any]:
    rows = [
        {"step": step, "val/mse": 10.0 ** -(step + seed), **{f"balance/{key}/pde_x_boundary": 0.5 for key in KEYS}}
        for step in (1, 2, 3)
    ]
    told = {"problem": problem, "variant": "plain", "method": OURS, "seed": seed, "iterations": 3}
    return {**told, "mse": 0.1, "linf": 0.2, "rel_l2": 0.3, "history": rows}


def spectra_of(steps: tuple[int, ...] = (0, 5)) -> dict[str, Any]:
    def run(kind: str) -> dict[str, Any]:
        names = [f"{k}/{term}" for k in ("plain", kind) for term in ("pde", "boundary")]
        first = {name: 3.0 for name in names if name.startswith("plain")}
        return {
            "condition": {str(s): first if s == 0 else dict.fromkeys(names, 2.0) for s in steps},
            "eigenvalues": {str(s): {name: [4.0, 1.0, -0.5] for name in names} for s in steps},
        }

    return {"hidden": [2], "auto_adamw": run("autobalance"), "adamw": run("adam")}


def test_the_list_of_figures_is_one() -> None:
    assert draw.DRAWINGS.keys() == PICTURES.keys()


def test_every_committed_picture_is_on_the_page() -> None:
    files = {f"images/reproduction/{path.name}" for path in (ROOT / "docs/images/reproduction").iterdir()}
    assert files == {file for _, file in shown(ROOT / "docs")}


def test_lines_are_the_logs() -> None:
    figure = history.balance(Results([line(0), line(1)], 3))
    assert figure is not None
    ratios, cosines = figure.axes
    assert [list(drawn.get_ydata()) for drawn in ratios.lines[:2]] == [[0.5] * 3] * 2
    assert len(cosines.lines) == 5  # two kinds of two seeds, and zero


def test_bands_are_the_range_and_lines_the_median() -> None:
    figure = history.errors(Results([line(seed) for seed in (0, 1, 2)], 3))
    assert figure is not None
    panel = figure.axes[list(PROBLEMS).index("helmholtz_2d")]
    assert panel.lines[0].get_ydata() == pytest.approx([1e-2, 1e-3, 1e-4])
    heights = panel.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (pytest.approx(1e-5), pytest.approx(1e-1))


def test_without_results_there_is_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw.draw(PICTURES, Results([], 3), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_all_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Figure] = {}
    monkeypatch.chdir(ROOT)
    with monkeypatch.context() as patched:  # a second or two to write each: one is written here, all with -m slow
        patched.setattr(draw, "save", lambda figure, path: made.update({path.stem: figure}))
        draw.draw(COMPUTED, Results([line(0)], 3), tmp_path)
    assert made.keys() == COMPUTED
    assert all(figure.axes for figure in made.values())
    draw.draw(["figure2"], Results([line(0)], 3), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["figure2.png"]


@pytest.mark.slow
def test_all_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    draw.draw(COMPUTED, Results([line(0)], 3), tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == COMPUTED


def test_the_quadratic_is_that_of_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (ROOT / draw.QUADRATIC).exists()
    monkeypatch.chdir(tmp_path)
    draw.draw(["quadratic"], Results([], 3), tmp_path)
    assert not list(tmp_path.iterdir())
    Path("examples").mkdir()
    draw.QUADRATIC.write_text("from matplotlib.figure import Figure\ndef draw():\n    return Figure(figsize=(1, 1))\n")
    draw.draw(["quadratic"], Results([], 3), tmp_path)
    assert (tmp_path / "quadratic.png").exists()


def test_condition_numbers() -> None:
    figure = spectra.spectra(spectra_of())
    start, end, condition = figure.axes
    assert list(start.lines[0].get_ydata()) == [4.0, 1.0, 0.5]
    assert len(end.lines) == len(condition.lines) == 3
    assert curve(spectra_of(), "plain") == ([0, 5], [3.0, 2.0])
    assert curve(spectra_of(), "AutoBalance") == ([5], [2.0])


def test_conditions_are_those_of_common_looks(tmp_path: Path) -> None:
    import json

    assert conditions(tmp_path / "none.json") == {}
    (tmp_path / "h.json").write_text(json.dumps(spectra_of()))
    assert conditions(tmp_path / "h.json") == {"plain": [2.0], "Adam": [2.0], "AutoBalance": [2.0]}


def test_a_solution_is_kept_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "SIDE", 5)
    module = Poisson2D()
    fields.write(module, 7, tmp_path / "helmholtz_2d-plain-auto_adamw-0.npz")
    found = heatmaps._read(tmp_path / "helmholtz_2d-plain-auto_adamw-0")
    assert found is not None
    x = torch.tensor([[0.25, 0.5]])
    assert found["error"][1, 2] == pytest.approx((module(x) - module.exact(x)).item(), rel=1e-3)
    assert found["exact"].shape == (5, 5)
    assert (found["iterations"], found["extent"]) == (7, [0, 1, 0, 1])


def test_what_is_not_trained_is_said(tmp_path: Path) -> None:
    told = '{"iterations": 7, "extent": [0, 1, 0, 1]}'
    np.savez(tmp_path / "helmholtz_2d-plain-dwa-0.npz", error=np.ones((3, 3)), exact=np.eye(3), told=told)
    figure = heatmaps.heatmaps("helmholtz_2d", ROWS["figure5"][1], tmp_path)
    assert figure is not None
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert said == ["AutoBalance: not trained yet", "IMTL-G: not trained yet"]
    assert "DWA, 7 steps" in [axes.get_title() for axes in figure.axes]


def test_the_run_with_the_most_steps_is_shown(tmp_path: Path) -> None:
    for steps in (20, 100, 300):
        (tmp_path / f"a-{steps}" / "checkpoints").mkdir(parents=True)
    for steps in (20, 100):  # that of 300 has no checkpoint yet
        (tmp_path / f"a-{steps}" / "checkpoints" / "last.ckpt").touch()
    assert best_of(tmp_path, "a") == tmp_path / "a-100"
    assert best_of(tmp_path, "b") is None


def test_spectra_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hessian, "HIDDEN", [2])
    monkeypatch.setattr(hessian, "POINTS", {"interior": 6, "boundary": 4})
    found = hessian.trained("auto_adamw", [0, 2])
    assert found["condition"][2].keys() >= {"plain/pde", "autobalance/boundary"}
    assert found["eigenvalues"][0]["plain/pde"] == sorted(found["eigenvalues"][0]["plain/pde"], reverse=True)
