"""What figures of the solution show, at any values of the further coordinates."""

import numpy as np
from torch import Tensor

from lightning_autobalance.callbacks.panels import limits_of, panels_of, slice_title, slice_values
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import ParameterRange, Rectangle, TimeCylinder


class Wave(PINNModule):
    domain = TimeCylinder(Rectangle((0, 1), (0, 2)), (0.0, 3.0)) * ParameterRange("nu", 1.0, 2.0)

    def exact(self, x: Tensor) -> Tensor:
        return x.sum(dim=1, keepdim=True)


def test_panels_are_at_the_values_given() -> None:
    axes = [np.array([0.0, 0.5]), np.array([1.0, 2.0])]
    panels = dict(panels_of(Wave(), "u", axes, [2.0, 1.5]))
    assert list(panels) == ["u, predicted", "u, exact", "absolute error"]
    np.testing.assert_allclose(panels["u, exact"], [[4.5, 5.5], [5.0, 6.0]])
    np.testing.assert_allclose(panels["absolute error"], abs(panels["u, predicted"] - panels["u, exact"]))
    assert np.isnan(panels_of(Wave(), "u", axes, [4.0, 1.5])[0][1]).all()  # after the end of time


def test_a_slice_is_at_the_final_time_and_the_middle_of_others() -> None:
    values = slice_values(Wave())
    assert values == [3.0, 1.5]
    assert slice_title(Wave(), values) == ", t = 3, nu = 1.5"


def test_limits_leave_out_what_is_not_finite() -> None:
    assert limits_of(np.array([1.0, np.nan, -2.0])) == (-2.0, 1.0)
    assert limits_of(np.array([np.nan])) == (None, None)
