"""Candidate points: where they are, what their residuals are, and which are chosen."""

import math

import pytest
import torch
from torch import Tensor

from helpers.variants import UNIT, context, line, of
from lightning_autobalance.points import PointCloud, Uniform, sample
from lightning_autobalance.variants.base import ByPart
from lightning_autobalance.variants.candidates import Candidates

LIKE = torch.empty(0, dtype=torch.float64)


def candidates(seed: int = 0, part: str = "interior") -> Candidates:
    return Candidates(seed, part)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_lie_in_the_part_with_the_dtype_wanted(dtype: torch.dtype) -> None:
    drawn = candidates().points(UNIT, 50, 3, torch.empty(0, dtype=dtype))
    assert drawn.shape == (50, 2)
    assert drawn.dtype == dtype
    assert UNIT.contains(drawn.double().numpy()).all()
    edge = candidates(part="boundary").points(UNIT, 50, 3, LIKE)
    assert ((edge == 0) | (edge == 1)).any(dim=1).all()


def test_points_follow_from_seed_and_step() -> None:
    first = candidates().points(UNIT, 20, 3, LIKE)
    assert torch.equal(first, candidates().points(UNIT, 20, 3, LIKE))
    assert not torch.equal(first, candidates().points(UNIT, 20, 4, LIKE))
    assert not torch.equal(first, candidates(seed=1).points(UNIT, 20, 3, LIKE))


def test_points_are_not_those_of_the_data() -> None:
    drawn = candidates().points(UNIT, 20, 3, LIKE)
    for draw in (0, 3, 4):
        assert not torch.equal(drawn, torch.as_tensor(sample(UNIT, "interior", 20, Uniform(), 0, draw)))


def test_squares_by_hand() -> None:
    seen: list[ByPart] = []

    def residuals(points: ByPart) -> dict[str, Tensor]:
        seen.append(points)
        x = points["interior"].clone().requires_grad_()
        return {"a": x[:, 0], "b": x * 2, "other": points["boundary"]}

    points, drawn = line(0.1, 0.2, 0.3), torch.tensor([[1.0, 2.0], [3.0, -4.0]], dtype=torch.float64)
    squares = candidates().squares(context(0, residuals), points, drawn, ("b", "a"))
    assert torch.equal(squares, torch.tensor([[20.0, 100.0], [1.0, 9.0]], dtype=torch.float64))
    assert not squares.requires_grad
    (given,) = seen
    assert given["interior"] is drawn
    assert given["boundary"] is points["boundary"]


def test_candidates_without_score_are_never_chosen() -> None:
    scores = of(0.0, 1.0, 0.0, 5.0, 2.0)
    chosen = candidates().choose(scores, 3, 0)
    assert sorted(chosen.tolist()) == [1, 3, 4]  # without replacement: each once


def test_the_probability_is_proportional_to_the_score() -> None:
    scores, draws = of(1.0, 0.0, 3.0), 4000
    found = torch.cat([candidates().choose(scores, 1, step) for step in range(draws)])
    share = (found == 2).double().mean().item()
    assert share == pytest.approx(0.75, abs=4 * math.sqrt(0.75 * 0.25 / draws))
    assert not (found == 1).any()


@pytest.mark.parametrize("scores", [(0.0, 0.0, 0.0, 0.0), (0.0, 7.0, 0.0, 0.0), (1.0, math.nan, 1.0, 1.0)])
def test_where_scores_do_not_suffice_the_draw_is_uniform(scores: tuple[float, ...]) -> None:
    found = torch.cat([candidates().choose(of(*scores), 2, step) for step in range(200)])
    counts = found.bincount(minlength=4)
    assert counts.sum() == 400
    assert (counts > 60).all()  # 100 expected of each


def test_choices_follow_from_seed_and_step() -> None:
    scores = torch.ones(1000)
    first = candidates().choose(scores, 5, 3)
    assert torch.equal(first, candidates().choose(scores, 5, 3))
    assert not torch.equal(first, candidates().choose(scores, 5, 4))
    assert not torch.equal(first, candidates(seed=1).choose(scores, 5, 3))


def test_of_a_cloud_all_points_are_candidates_where_it_has_no_more() -> None:
    cloud = PointCloud([[0.25, 0.5], [0.5, 0.5], [0.75, 0.5]])
    drawn = candidates().points(cloud, 50, 3, LIKE)
    assert sorted(drawn[:, 0].tolist()) == [0.25, 0.5, 0.75]
