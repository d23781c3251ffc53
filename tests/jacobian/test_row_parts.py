"""Which points a residual follows from, on residuals whose answer is plain."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lightning_autobalance.jacobian.row_parts import (
    NOT_POINTWISE,
    as_columns,
    first_points,
    parts_of_rows,
    parts_of_terms,
)

POINTS = {"interior": torch.rand(3, 2), "left": torch.rand(2, 2), "right": torch.rand(2, 2)}


def residuals(points: Mapping[str, Tensor]) -> dict[str, Tensor]:
    interior, left, right = points["interior"], points["left"], points["right"]
    return {
        "pointwise": interior[:, 0],
        "fields": interior,
        "periodic": left - right,
        "joined": torch.cat([left, right])[:, :1],
        "mean": interior[:, 0] - interior[:, 0].mean(),
        "sum": interior[:, 0].sum()[None],
        "constant": torch.ones(4),
    }


def test_rows() -> None:
    rows = parts_of_rows(residuals, POINTS)
    assert rows["pointwise"] == rows["fields"] == rows["mean"] == [("interior",)] * 3
    assert rows["periodic"] == [("left", "right")] * 2
    assert rows["joined"] == [("left",)] * 2 + [("right",)] * 2
    assert rows["sum"] == [("interior",)]
    assert rows["constant"] == [()] * 4


def test_terms() -> None:
    assert parts_of_terms(residuals, POINTS) == {
        "pointwise": ("interior",),
        "fields": ("interior",),
        "periodic": ("left", "right"),
        "joined": ("left", "right"),
        "mean": ("interior",),  # one row per point: what couples them shows in no NaN
        "sum": ("interior", "not pointwise"),
        "constant": (),
    }


def selecting(points: Mapping[str, Tensor]) -> dict[str, Tensor]:
    x, left = points["interior"], points["left"]
    some = x[x[:, 0] > 0.5]
    return {"some": some[:, 0], "both": torch.cat([some, left])[:, :1], "all but NaN": x[x[:, 0] > -1.0], "none": x[:0]}


def test_rows_whose_number_the_points_decide() -> None:
    points = {**POINTS, "interior": torch.tensor([[0.2, 0.0], [0.7, 0.0], [0.9, 0.0]])}
    rows = parts_of_rows(selecting, points)
    assert rows["some"] == [("interior", NOT_POINTWISE)] * 2
    assert rows["both"] == [("interior", NOT_POINTWISE)] * 2 + [("interior", "left", NOT_POINTWISE)] * 2
    assert rows["none"] == []
    assert parts_of_terms(selecting, points) == {
        "some": ("interior", NOT_POINTWISE),
        "both": ("interior", NOT_POINTWISE, "left"),
        "all but NaN": ("interior", NOT_POINTWISE),
        "none": (),
    }


def test_columns_and_few_points() -> None:
    assert as_columns(torch.zeros(5)).shape == (5, 1)
    assert as_columns(torch.zeros(5, 2)).shape == (5, 2)
    assert as_columns(torch.zeros(0, 2)).shape == (0, 2)
    assert as_columns(torch.zeros(0)).shape == (0, 1)
    few = first_points(POINTS, ("left",), 2)
    assert {part: len(x) for part, x in few.items()} == {"interior": 1, "left": 2, "right": 1}
