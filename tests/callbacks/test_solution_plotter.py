"""Pictures are saved, headless, for every number of coordinates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.colors import to_rgba
from torch import Tensor

from helpers.domains import CLOUD, Ring
from helpers.toys import Decay, Poisson2D, fit, measured, points
from lightning_autobalance.callbacks import SolutionPlotter, solution_plotter
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
    assert sorted(f.name for f in (tmp_path / "plots").iterdir()) == ["u_step0.png", "u_step10.png", "u_step5.png"]
    picture = matplotlib.image.imread(tmp_path / "plots" / "u_step10.png")
    assert picture.std() > 0.05
    events = EventAccumulator(str(tmp_path)).Reload()
    assert {image.step for image in events.Images("solution/u")} == {0, 5, 10}


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


def scattered(domain: Domain, count: int) -> np.ndarray:
    low, high = np.array(domain.bounds).T
    corners = np.stack([axis.ravel() for axis in np.meshgrid(*zip(low, high, strict=True))], axis=1)
    return np.concatenate([corners, low + (high - low) * np.random.default_rng(0).random((count, len(low)))])


def test_a_reference_is_interpolated_and_its_error_shown() -> None:
    x = scattered(OnDisk.domain, 3000)
    x = x[OnDisk.domain.contains(x)]
    module = OnDisk(reference=(x, 3 - x[:, :1]))  # in place of its `exact`
    axes = draw(module, "u", 11).axes
    assert [axis.get_title() for axis in axes[:3]] == ["u, predicted", "u, reference", "absolute error"]
    predicted, known, error = (axis.collections[0].get_array().reshape(11, 11) for axis in axes[:3])
    columns = np.tile(np.linspace(-1, 1, 11), (11, 1))  # row: y, column: x
    inside = ~known.mask
    assert inside[2:-2, 2:-2].all()
    assert known.mask[0, 0]
    np.testing.assert_allclose(known[inside], 3 - columns[inside])
    assert abs(error[inside] - abs(predicted[inside] - known[inside])).max() < 1e-2  # of interpolation


def test_the_error_is_that_at_the_points_of_the_reference() -> None:
    class Front(PINNModule):
        domain = Rectangle((0, 1), (0, 1))

        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(50 * (x[:, :1] - 0.47))

    axis = np.linspace(0, 1, 11)
    x = np.stack([each.ravel() for each in np.meshgrid(axis, axis)], axis=1)
    figure = draw(Front(reference=(x, np.tanh(50 * (x[:, 0] - 0.47)))), "u", 51)
    predicted, known, error = (axis.collections[0].get_array() for axis in figure.axes[:3])
    assert abs(predicted - known).max() > 0.5  # between the points
    assert error.max() < 1e-5


def test_a_slice_is_where_the_reference_is_known() -> None:
    x = scattered(Heat2D.domain, 200)
    x[:, 2] = np.minimum(x[:, 2], 2.0)
    for known in (x, np.concatenate([x[:, :2], np.full((len(x), 1), 2.0)], axis=1)):  # until 2, and only at 2
        figure = draw(Heat2D(reference=(known, known.sum(axis=1))), "u", 5)
        assert "t = 2" in figure.get_suptitle()
        values = figure.axes[1].collections[0].get_array().reshape(5, 5)
        np.testing.assert_allclose(values[3, 1], 0.25 + 1.5 + 2)


def test_what_the_reference_does_not_know_is_left_out() -> None:
    class Two(Heat2D):
        fields = ("u", "p")

    x = scattered(Two.domain, 50)
    module = Two(reference=(x, {"u": x[:, 0]}))
    assert [len(draw(module, field, 5).axes) for field in ("u", "p")] == [6, 2]
    on_a_line = np.linspace(0, 1, 9)[:, None] * np.array([[1.0, 1.0, 1.0]])
    assert len(draw(Heat2D(reference=(on_a_line, on_a_line[:, 0])), "u", 5).axes) == 2


def test_curves_of_a_reference() -> None:
    x = np.linspace(0.2, 1, 20)[:, None]
    left, _ = draw(Decay(reference=(x, np.exp(-x))), "u", 11).axes
    known = left.lines[1].get_ydata()
    assert np.isnan(known[:2]).all()
    np.testing.assert_allclose(known[2:], np.exp(-np.linspace(0.2, 1, 9)), rtol=1e-3)


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


def test_pictures_come_early_at_powers_of_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn_at(steps: int, share: float, **options: Any) -> list[int]:
        drawn: list[int] = []
        monkeypatch.setattr(SolutionPlotter, "_draw", lambda self, trainer, _: drawn.append(trainer.global_step))
        monkeypatch.setattr(solution_plotter, "FIRST", 4)
        monkeypatch.setattr(solution_plotter, "SHARE", share)
        callback = SolutionPlotter(0, **options)
        callback._longest = 1.0
        fit(Decay(steps_per_call=10), tmp_path, max_steps=steps, callbacks=[callback])
        return drawn

    assert drawn_at(21, float("inf")) == [0, 4, 8, 16, 21]
    assert drawn_at(21, 0.0) == [0, 21]
    assert drawn_at(5, float("inf"), early=False) == [5]


def test_a_call_ends_before_a_power_of_two() -> None:
    plotter = SolutionPlotter()
    assert [plotter.next_due_step(step) for step in (0, 63, 64, 100, 127, 128)] == [63, 63, 127, 127, 127, 255]
    assert SolutionPlotter(early=False).next_due_step(0) is None


def test_measurements_are_shown_once_beside_a_curve_without_a_solution(tmp_path: Path) -> None:
    class Unknown(Decay):
        exact = PINNModule.exact

        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {"data": self(points["data"]) - points["data_targets"]}

    module = Unknown()
    data = points(module, measurements=measured(20, None))
    trainer = fit(module, tmp_path, data, max_steps=1)
    (axis,) = draw(module, "u", 11, solution_plotter._measured(trainer, module, "u")).axes
    dots, curve = axis.lines
    assert len(dots.get_xdata()) == 20
    np.testing.assert_allclose(dots.get_ydata(), np.exp(-dots.get_xdata()))
    assert len(curve.get_xdata()) == 11
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["measured", "u"]


def test_what_lies_beyond_the_colours_is_shown_as_such() -> None:
    module = Poisson2D()
    with module.field_replaced(lambda x: 2 * module.exact(x)):
        predicted, exact, error, *_ = draw(module, "u", 11).axes
    assert predicted.collections[0].colorbar.extend == "max"
    assert exact.collections[0].colorbar.extend == error.collections[0].colorbar.extend == "neither"
    red, inside = predicted.collections[0].cmap([1.5, 0.999])
    assert tuple(red) == to_rgba("tab:red")
    assert tuple(inside) != tuple(red)
