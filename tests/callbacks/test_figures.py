"""Figures reach files and every logger that takes pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_autobalance.callbacks.figures import log_figure, new_figure, pixels, save_figure


@pytest.fixture
def figure() -> Figure:
    figure = new_figure(2.0, 1.0)
    figure.subplots().plot([0, 1], [0, 1])
    return figure


def test_pixels(figure: Figure) -> None:
    image = pixels(figure)
    assert image.shape == (int(figure.dpi), 2 * int(figure.dpi), 4)
    assert image.std() > 0


def test_a_figure_of_pyplots_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="`figure` must have an Agg canvas, got FigureCanvasBase"):
        pixels(Figure())


def test_tensorboard(figure: Figure, tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, name="", version="")
    log_figure(logger, figure, "solution/u", 7)
    logger.experiment.flush()
    assert [image.step for image in EventAccumulator(str(tmp_path)).Reload().Images("solution/u")] == [7]


def test_weights_and_biases(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(WandbLogger, "log_image", lambda self, key, images, step: calls.append((key, images, step)))
    log_figure(object.__new__(WandbLogger), figure, "solution/u", 7)  # without the package, which needs an account
    ((key, images, step),) = calls
    assert (key, step) == ("solution/u", 7)
    assert np.array_equal(images[0], pixels(figure))


def test_mlflow(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class Client:
        def log_figure(self, *args: Any) -> None:
            calls.append(args)

    monkeypatch.setattr(MLFlowLogger, "experiment", Client())
    monkeypatch.setattr(MLFlowLogger, "run_id", "abc")
    log_figure(object.__new__(MLFlowLogger), figure, "solution/u", 7)
    assert calls == [("abc", figure, "solution/u_step7.png")]


def test_other_loggers_get_none(figure: Figure, tmp_path: Path) -> None:
    log_figure(CSVLogger(tmp_path), figure, "solution/u", 7)
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("name", ["u", "v"])
def test_a_figure_that_cannot_be_written_costs_a_warning(name: str, figure: Figure, tmp_path: Path) -> None:
    (tmp_path / "plots").touch()  # a file where the folder should be
    trainer = Trainer(default_root_dir=tmp_path, logger=False, accelerator="cpu")
    with pytest.warns(UserWarning, match=f"figure solution/{name} must be written to .*{name}_step0.png .* goes on"):
        save_figure(trainer, figure, "plots", name, f"solution/{name}")
