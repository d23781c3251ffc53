"""Distances of shapes are one graph."""

import pytest
import torch

from helpers.domains import DRILLED, PLANAR
from lightning_autobalance.points import Shape, Uniform, sample

SHAPES = {**{name: PLANAR[name] for name in ("polygon_with_hole", "nested", "ellipse")}, "drilled": DRILLED}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_distances_and_normals_compile_whole(shape: Shape) -> None:
    x = torch.from_numpy(sample(shape, "boundary", 50, Uniform(), seed=0, draw=0))
    shape.normal(x)  # finds the sides
    for of in (shape.distance, shape.normal):
        assert torch.equal(torch.compile(of, fullgraph=True, backend="aot_eager")(x), of(x))
