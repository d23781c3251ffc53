"""Linear finite elements between holes."""

from math import pi

import numpy as np
import pytest

from benchmarks.references.heat_complex import HEIGHT, HOLES, OUTER, WIDTH, Mesh, _on_grid, heat_complex, solved
from benchmarks.references.table import relative_l2

SHARES = [(0.5 if x == 0 else 1.0) * (0.5 if y == 0 else 1.0) for x, y, *_ in HOLES]  # within the quarter


def test_the_mesh_has_the_area_and_the_edges_of_the_quarter() -> None:
    mass, _, b = Mesh.of_width(0.1).matrices()
    holes = sum(share * pi * r**2 for share, (_, _, r, _) in zip(SHARES, HOLES, strict=True))
    assert mass.sum() == pytest.approx(WIDTH * HEIGHT - holes, rel=1e-3)
    flux = sum(share * 2 * pi * r * g for share, (_, _, r, g) in zip(SHARES, HOLES, strict=True))
    assert b.sum() == pytest.approx(flux + OUTER * (WIDTH + HEIGHT), rel=1e-3)


def test_linear_functions_have_no_curvature_inside() -> None:
    mesh = Mesh.of_width(0.2)
    _, a, _ = mesh.matrices()
    x, y = mesh.points.T
    edges = np.unique(mesh.boundary()[0])
    inside = (x > 0) & (y > 0) & ~np.isin(np.arange(len(x)), edges)
    assert np.abs((a @ (2 * x - 3 * y))[inside]).max() < 1e-10


def test_the_order_is_two_in_space_and_time() -> None:
    coarse, medium, fine = (_on_grid(h, 2, 1, halvings=0)[1] for h in (0.2, 0.1, 0.05))
    assert relative_l2(coarse, medium) / relative_l2(medium, fine) == pytest.approx(4, abs=0.8)
    mesh = Mesh.of_width(0.4)
    last = [solved(mesh, steps, 3)[-1] for steps in (2, 4, 8)]
    assert relative_l2(last[0], last[1]) / relative_l2(last[1], last[2]) == pytest.approx(4, abs=0.8)


def test_the_table_is_symmetric_and_has_no_point_twice() -> None:
    table, errors = heat_complex(h=0.1, steps=2, times=2)
    columns = np.stack([table[name] for name in "txy"], axis=1).round(6)
    assert len(np.unique(columns, axis=0)) == len(columns)
    found = dict(zip(map(tuple, columns), table["u"], strict=True))
    assert all(found[t, -x, -y] == u for (t, x, y), u in found.items())
    assert 0 < errors["u"] < 5e-3
    assert (table["u"][table["t"] == 0] == 0).all()
    assert 2 < table["u"].max() < 5
