"""Instants of a field in one figure."""

from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from torch import Tensor

from helpers.toys import fit
from lightning_autobalance.callbacks import SolutionPlotter
from lightning_autobalance.callbacks.time_slices import INSTANTS, draw_instants, has_instants
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Disk, Interval, ParameterRange, Rectangle, TimeCylinder

PLATE = Rectangle((0, 1), (0, 1)) - Disk((0.5, 0.5), 0.2)


class Growing(PINNModule):
    """u = x t."""

    domain = TimeCylinder(PLATE, (0.0, 3.0)) * ParameterRange("nu", 1.0, 2.0)

    def residuals(self, points: Any) -> dict[str, Tensor]:
        return {"pde": self(points["interior"]) - self.exact(points["interior"])}

    def exact(self, x: Tensor) -> Tensor:
        return x[:, :1] * x[:, 2:3]


class Unknown(Growing):
    exact = PINNModule.exact

    def residuals(self, points: Any) -> dict[str, Tensor]:
        return {"pde": self(points["interior"])}


def test_time_comes_after_two_coordinates() -> None:
    assert has_instants(Growing.domain)
    assert not has_instants(TimeCylinder(Interval(0.0, 1.0), (0.0, 1.0)))
    assert not has_instants(PLATE)


def test_every_instant_shows_its_own_values_on_one_scale() -> None:
    figure = draw_instants(Growing(), "u", 11)
    panels = [axis for axis in figure.axes if axis.collections and axis.get_label() != "<colorbar>"]
    assert len(panels) == 3 * INSTANTS
    for i, axis in enumerate(panels[INSTANTS : 2 * INSTANTS]):
        values = axis.collections[0].get_array().reshape(11, 11)  # row: y, column: x
        assert values[0, 10] == pytest.approx(i)
        assert values.mask[5, 5]
        assert axis.collections[0].get_clim() == pytest.approx((0, 3))
    assert [axis.get_title() for axis in panels[:INSTANTS]] == ["t = 0", "t = 1", "t = 2", "t = 3"]
    assert "nu = 1.5" in figure.get_suptitle()


def test_without_an_exact_solution_there_is_one_row() -> None:
    figure = draw_instants(Unknown(), "u", 5)
    assert len(figure.axes) == INSTANTS + 1


def test_a_run_draws_them_once_at_its_end(tmp_path: Path) -> None:
    data = CollocationPoints({"interior": 9}, eval_points=81, steps_per_epoch=1)
    fit(Unknown(), tmp_path, data, max_steps=2, callbacks=[SolutionPlotter(every_n_epochs=1, resolution=11)])
    assert sorted(file.name for file in (tmp_path / "plots").glob("u_times*")) == ["u_times_step2.png"]
    assert np.std(matplotlib.image.imread(tmp_path / "plots" / "u_times_step2.png")) > 0.05
