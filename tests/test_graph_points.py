"""Where a captured step finds its points."""

import torch
from torch import Tensor

from lightning_autobalance.graph_points import CopiedPoints, DrawnPoints, graph_points
from lightning_autobalance.points import Draws

CPU = torch.device("cpu")


def at(step: int) -> dict[str, Tensor]:
    return {"interior": torch.full((2, 1), float(step))}


def inside(step: Tensor) -> dict[str, Tensor]:
    return {"interior": step.float().expand(2, 1)}


def test_given_points_are_copied_to_where_they_are_read() -> None:
    given = at(3)
    points = graph_points(given, 0, CPU)
    assert isinstance(points, CopiedPoints)
    read = points()["interior"]
    assert read is not given["interior"]
    points.load(at(7), 0)
    assert read.flatten().tolist() == [7, 7]
    assert points()["interior"] is read


def test_draws_of_the_host_are_copied_step_by_step() -> None:
    draws = Draws(0, at)
    points = graph_points(draws, 2, CPU)
    assert isinstance(points, CopiedPoints)
    read = points()["interior"]
    assert read.flatten().tolist() == [2, 2]
    points.load(draws, 5)
    assert read.flatten().tolist() == [5, 5]


def test_draws_of_the_device_follow_the_number_of_the_step() -> None:
    draws = Draws(0, at, inside)
    points = graph_points(draws, 2, CPU)
    assert isinstance(points, DrawnPoints)
    for step in (2, 9):
        points.load(draws, step)
        assert points()["interior"].flatten().tolist() == [step, step]


def test_other_points_do_not_fit() -> None:
    draws = Draws(0, at, inside)
    copied, drawn = graph_points(at(0), 0, CPU), graph_points(draws, 0, CPU)
    assert copied.fits(at(5), 1)
    assert copied.fits(draws, 1)
    assert not copied.fits({"interior": torch.zeros(3, 1)}, 1)
    assert not copied.fits({"interior": torch.zeros(2, 1, dtype=torch.float64)}, 1)
    assert not copied.fits({**at(0), "boundary": torch.zeros(1, 1)}, 1)
    assert drawn.fits(Draws(30, at, inside), 30)
    assert not drawn.fits(Draws(30, at), 30)
    assert not drawn.fits(Draws(30, at, lambda step: inside(step)), 30)
    assert not drawn.fits(at(0), 30)
