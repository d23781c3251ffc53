"""Adaptive resampling: where the points go."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from helpers.variants import UNIT, context, of, problem
from lightning_autobalance.variants import RAD, RAR
from lightning_autobalance.variants.base import ByPart
from lightning_autobalance.variants.resampling import Resampling


def corner(points: ByPart) -> dict[str, Tensor]:
    x = points["interior"]
    return {"pde": (x.min(dim=1).values > 0.8).to(x), "boundary": of(1.0)}


def cloud() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {"interior": torch.rand(100, 2, dtype=torch.float64), "boundary": torch.zeros(1, 2, dtype=torch.float64)}


def in_corner(x: Tensor) -> int:
    return int((x.min(dim=1).values > 0.8).sum())


def run(variant: Resampling, steps: int = 11) -> Tensor:
    variant.prepare(problem(UNIT))
    points = cloud()
    for step in range(steps):
        variant.begin(context(step, corner), points)
    assert torch.equal(variant.place(points)["interior"], variant.current)
    return variant.current


def test_rad_without_offset_draws_only_where_the_residual_is() -> None:
    assert in_corner(run(RAD(interval=10, offset=0.0, candidates=5000, seed=0))) == 100


def test_rads_offset_keeps_points_elsewhere() -> None:
    found = in_corner(run(RAD(interval=10, offset=1.0, candidates=5000, seed=0)))
    assert 30 < found < 70  # half of the density lies in a corner of 4 % of the area


def test_rad_with_power_zero_is_uniform() -> None:
    assert in_corner(run(RAD(interval=10, power=0.0, candidates=5000, seed=0))) < 15


def test_before_the_interval_the_points_are_the_datas() -> None:
    assert torch.equal(run(RAD(interval=10), steps=10), cloud()["interior"])


@pytest.mark.parametrize("greedy", [True, False])
def test_rar_adds_points_and_keeps_the_others(greedy: bool) -> None:
    found = run(RAR(interval=5, added=7, greedy=greedy, candidates=2000, seed=0))
    assert found.shape == (114, 2)
    assert torch.equal(found[:100], cloud()["interior"])
    assert in_corner(found[100:]) == 14


def test_residuals_that_vanish_everywhere_leave_uniform_points() -> None:
    variant = RAD(interval=1, offset=0.0, candidates=500, seed=0)
    variant.prepare(problem(UNIT))
    for step in range(2):
        variant.begin(context(step, lambda p: {"pde": torch.zeros(len(p["interior"]))}), cloud())
    assert variant.current.shape == (100, 2)
    assert variant.current.isfinite().all()


def test_several_terms_count_alike() -> None:
    variant = RAD(power=1.0, offset=0.5)
    density = variant.density(torch.stack([of(1.0, 9.0), of(400.0, 0.0)]))
    torch.testing.assert_close(density, of(0.5 + 0.5 + 2.0 + 0.5, 1.5 + 0.5 + 0.0 + 0.5))


@pytest.mark.parametrize("make", [RAD, RAR])
def test_points_that_the_data_draws_anew_are_refused(make: Callable[[], Resampling]) -> None:
    with pytest.raises(ValueError, match=r"`data.resample_every` must be 0 with RA[DR], which chooses the points"):
        make().prepare(problem(resample_every=3))


@pytest.mark.parametrize("bad", [{"interval": 0}, {"candidates": 0}, {"power": -1.0}, {"offset": -1.0}])
def test_bad_numbers(bad: dict[str, float]) -> None:
    for kind in (RAD, RAR):
        with pytest.raises(ValueError, match=f"`{next(iter(bad))}` must be"):
            kind(**bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`added` must be"):
        RAR(added=0)
