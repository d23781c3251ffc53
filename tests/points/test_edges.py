"""Straight edges of closed lines."""

import torch
from numpy.testing import assert_allclose

from lightning_autobalance.points.edges import Edges

OUTER = torch.tensor([[0, 0], [4, 0], [4, 3], [0, 3], [0, 0]]).double()
HOLE = torch.tensor([[1, 1], [2, 1], [2, 2], [1, 1]]).double()
X = torch.tensor([[0.5, 1.0], [1.75, 1.25], [5, 3], [7, 7], [4, 3], [0.25, 3]]).double()


def test_distances_by_hand() -> None:
    edges = Edges.around([OUTER, HOLE])
    assert_allclose(edges.distance(X), [-0.5, 0.25, 1, 5, 0, 0], atol=1e-15)
    assert edges.inside(X).tolist()[:4] == [True, False, False, False]
    assert edges.away(X).shape == (6, 7)
    assert_allclose(edges.away(X)[0], [1, 3.5, 2, 0.5, 0.5, 1.5, 0.5], atol=1e-15)


def test_normals_do_not_depend_on_the_direction_around() -> None:
    right, half = 1.0, 0.5**0.5
    expected = {
        (2, 0): [0, -right],
        (4, 1.5): [right, 0],
        (2, 3): [0, right],
        (0, 1.5): [-right, 0],
        (1.5, 1): [0, right],
        (2, 1.5): [-right, 0],
        (1.5, 1.5): [half, -half],
    }
    for lines in ([OUTER, HOLE], [OUTER.flip(0), HOLE], [OUTER, HOLE.flip(0)]):
        edges = Edges.around(lines)
        middle = (edges.start + edges.end) / 2
        assert_allclose(edges.outward, [expected[x, y] for x, y in middle.tolist()], atol=1e-15)
        assert torch.equal(edges.normal(middle, range(7)), edges.outward)


def test_the_nearest_of_some_edges_counts() -> None:
    edges = Edges.around([OUTER, HOLE])
    corner = torch.tensor([[4.0, 3.0]])
    assert edges.normal(corner, [1]).tolist() == [[1, 0]]
    assert edges.normal(corner, [2]).tolist() == [[0, 1]]
