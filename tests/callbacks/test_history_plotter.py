"""The course of a run: all that is logged, over a resume, with any logger."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from helpers.toys import Decay, fit, points
from lightning_autobalance.callbacks import HistoryPlotter
from lightning_autobalance.callbacks.history_plotter import MOST, draw_history
from lightning_autobalance.optim.finish import LevenbergMarquardt


def watched(tmp_path: Path, **options: Any) -> HistoryPlotter:
    watch = HistoryPlotter()
    model = options.pop("model", {})
    fit(Decay(**model), tmp_path, callbacks=[watch], **{"max_steps": 10, "log_every_n_steps": 2, **options})
    return watch


@pytest.mark.parametrize("logger", [None, CSVLogger, TensorBoardLogger])
def test_losses_and_errors_with_any_logger(logger: Any, tmp_path: Path) -> None:
    made = False if logger is None else logger(tmp_path, name="", version="")
    watch = watched(tmp_path, logger=made)
    assert [step for step, _ in watch.curves["loss/pde"]] == [0, 2, 4, 6, 8]
    assert [step for step, _ in watch.curves["val/rel_l2"]] == [5, 10]
    assert set(watch.curves) == {"loss/pde", "loss/boundary", "val/mse", "val/linf", "val/rel_l2"}
    assert matplotlib.image.imread(tmp_path / "plots" / "history.png").std() > 0.05


def test_several_steps_a_call(tmp_path: Path) -> None:
    watch = watched(tmp_path, model={"steps_per_call": 4})
    assert [step for step, _ in watch.curves["loss/pde"]] == [0, 2, 4, 6, 8]


def test_the_curve_of_a_resumed_run_begins_where_the_first_did(tmp_path: Path) -> None:
    whole = watched(tmp_path / "whole")
    first = HistoryPlotter()
    saved = fit(
        Decay(), tmp_path, max_steps=5, log_every_n_steps=2, enable_checkpointing=True, callbacks=[first]
    ).checkpoint_callback.best_model_path
    resumed = watched(tmp_path, ckpt_path=saved, enable_checkpointing=True)
    assert [step for step, _ in resumed.curves["loss/pde"]] == [step for step, _ in whole.curves["loss/pde"]]
    assert resumed.curves["loss/pde"][:3] == first.curves["loss/pde"]
    assert [step for step, _ in resumed.curves["val/mse"]] == [5, 10]


def test_a_second_fit_begins_anew(tmp_path: Path) -> None:
    watch = HistoryPlotter()
    for _ in range(2):
        fit(Decay(), tmp_path, max_steps=4, log_every_n_steps=2, callbacks=[watch])
        assert [step for step, _ in watch.curves["loss/pde"]] == [0, 2]


def test_the_finish_has_a_background(tmp_path: Path) -> None:
    watch = watched(tmp_path, model={"finish": LevenbergMarquardt(4)}, log_every_n_steps=1)
    assert [step for step, _ in watch.curves["loss/pde"]][-1] == 9
    losses, errors = draw_history(watch.curves, "a run", finish=6).axes
    for axis in (losses, errors):
        assert axis.get_yscale() == "log"
        assert axis.patches[0].get_x() == 6
        assert "finish" in [text.get_text() for text in axis.get_legend().get_texts()]
    assert not draw_history(watch.curves, "a run").axes[0].patches


def test_a_fast_run_draws_nothing(tmp_path: Path) -> None:
    fit(Decay(), tmp_path, points(Decay()), fast_dev_run=True, callbacks=[HistoryPlotter()])
    assert not (tmp_path / "plots").exists()


def test_long_runs_keep_an_even_choice_with_both_ends() -> None:
    watch = HistoryPlotter()
    for step in range(10 * MOST):
        watch._add(step, {"loss/pde": 1.0})
    steps = [step for step, _ in watch.curves["loss/pde"]]
    assert MOST / 3 < len(steps) <= MOST
    assert steps[0] == 0
    assert steps[-1] == 10 * MOST - 1
    gaps = [b - a for a, b in pairwise(steps)]
    assert max(gaps) <= 64


def test_zero_and_nan_are_left_out_of_the_logarithm() -> None:
    curves = {"loss/a": [(0, 1.0), (1, 0.0), (2, float("nan")), (3, 0.1)], "loss/none": [(0, 0.0)]}
    (axis,) = draw_history(curves, "a run").axes
    assert axis.lines[0].get_xdata().tolist() == [0, 3]
