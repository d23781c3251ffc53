"""Pictures are saved, headless, for every number of coordinates."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from helpers.domains import CLOUD, Ring
from helpers.toys import Decay, Poisson2D, fit, points
from lightning_autobalance.callbacks import SolutionPlotter
from lightning_autobalance.callbacks.solution_plotter import draw
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Ball, Disk, Domain, Interval, ParameterRange, Rectangle, TimeCylinder


class Heat2D(PINNModule):
    domain = TimeCylinder(Rectangle((0, 1), (0, 2)), (0.0, 3.0))


class OnDisk(PINNModule):
    domain = Disk((0.0, 0.0), 1.0)

    def exact(self, x: Tensor) -> Tensor:
        return 1 - x.square().sum(dim=1, keepdim=True)


def field_on(domain: Domain) -> PINNModule:
    return type("OnDomain", (PINNModule,), {"domain": domain})()


def test_files_and_figures(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path, name="", version="")
    callbacks = [SolutionPlotter(every_n_epochs=1, resolution=11)]
    fit(Poisson2D(), tmp_path, max_steps=10, logger=logger, callbacks=callbacks)
    assert sorted(f.name for f in (tmp_path / "plots").iterdir()) == ["u_step10.png", "u_step5.png"]
    picture = matplotlib.image.imread(tmp_path / "plots" / "u_step10.png")
    assert picture.std() > 0.05
    events = EventAccumulator(str(tmp_path)).Reload()
    assert {image.step for image in events.Images("solution/u")} == {5, 10}


def test_without_a_logger_files_go_to_the_root_folder(tmp_path: Path) -> None:
    fit(Decay(), tmp_path, max_steps=2, callbacks=[SolutionPlotter(resolution=11)])
    assert (tmp_path / "plots" / "u_step2.png").exists()


@pytest.mark.parametrize(("module", "axes"), [(Decay, 2), (Poisson2D, 6), (OnDisk, 6), (Heat2D, 2)])
def test_one_panel_per_field_to_show(module: type[PINNModule], axes: int) -> None:
    assert len(draw(module(), "u", 11).axes) == axes  # a heatmap brings its colour bar


def test_points_outside_the_domain_stay_blank() -> None:
    values = draw(OnDisk(), "u", 11).axes[0].collections[0].get_array().reshape(11, 11)
    assert values.mask[0, 0]
    assert not values.mask[5, 5]


@pytest.mark.parametrize("domain", [Ring(), TimeCylinder(Ring(), (0.0, 1.0)), Ring() * ParameterRange("c", 1.0, 2.0)])
def test_a_hole_that_only_contains_knows_stays_blank_and_has_an_edge(domain: Domain) -> None:
    axis = draw(field_on(domain), "u", 41).axes[0]
    values = axis.collections[0].get_array().reshape(41, 41)
    x, y = np.meshgrid(np.linspace(1, 3, 41), np.linspace(0, 2, 41))
    radius = np.hypot(x - 2, y - 1)
    assert values.mask[(radius < 0.499) | (radius > 1.001)].all()
    assert not values.mask[(radius > 0.501) & (radius < 0.999)].any()
    (edge,) = axis.lines
    found = np.hypot(edge.get_xdata() - 2, edge.get_ydata() - 1)
    assert np.isclose(found, 0.5).any()
    assert (np.isclose(found, 0.5) | np.isclose(found, 1)).all()


def test_a_cloud_has_its_own_points_as_edge() -> None:
    (edge,) = draw(field_on(CLOUD), "u", 11).axes[0].lines
    assert len(edge.get_xdata()) == 128


@pytest.mark.parametrize("domain", [Rectangle((0, 1), (0, 1)), TimeCylinder(Interval(0, 1), (0.0, 1.0)), Ball()])
def test_a_rectangle_and_a_slice_have_no_edge(domain: Domain) -> None:
    assert not draw(field_on(domain), "u", 11).axes[0].lines


def test_a_slice_outside_the_domain_is_blank() -> None:
    class Shells(Ball):
        def contains(self, points: np.ndarray) -> np.ndarray:
            return super().contains(points) & (abs(points[:, 2]) > 0.5)

    assert draw(field_on(Shells()), "u", 11).axes[0].collections[0].get_array().mask.all()


def test_the_panels_show_prediction_exact_and_error() -> None:
    module = Poisson2D()
    figure = draw(module, "u", 5)
    predicted, exact, error = (a.collections[0].get_array().reshape(5, 5) for a in figure.axes[:3])
    x = torch.tensor([[0.25, 0.75]])
    assert predicted[3, 1] == pytest.approx(module(x).item(), rel=1e-5)  # row: y, column: x
    assert exact[3, 1] == pytest.approx(module.exact(x).item(), rel=1e-5)
    assert error[3, 1] == pytest.approx(abs(predicted[3, 1] - exact[3, 1]))


def test_a_slice_shows_the_final_time() -> None:
    assert "t = 3" in draw(Heat2D(), "u", 5).get_suptitle()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every_n_epochs": -1}, "`every_n_epochs` must be >= 0"),
        ({"resolution": 1}, "`resolution` must be >= 2, got 1"),
    ],
)
def test_bad_numbers(options: Mapping[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SolutionPlotter(**options)


def test_fast_dev_run_draws_nothing(tmp_path: Path) -> None:
    fit(Decay(), tmp_path, points(Decay()), fast_dev_run=True, callbacks=[SolutionPlotter()])
    assert not (tmp_path / "plots").exists()
