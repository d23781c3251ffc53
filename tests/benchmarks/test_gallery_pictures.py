"""Pictures of the gallery show the known solution, inside the domain only."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.gallery_pictures import known, thumbnail
from helpers.toys import Poisson2D
from lightning_autobalance.problems import Helmholtz2D, Lorenz, PoissonLShape


def test_an_exact_solution_is_shown() -> None:
    module = Helmholtz2D()
    (x, y), values = known(module)
    expected = module.exact(torch.tensor([[x[3], y[70]]], dtype=module.points_dtype))
    assert values[3, 70] == pytest.approx(expected.item(), abs=1e-5)


def test_a_reference_is_shown_inside_the_domain() -> None:
    _, values = known(PoissonLShape())
    inside = np.isfinite(values)
    assert 0.7 < inside.mean() < 0.8  # three of four quarters
    assert values[inside].max() > 0.1


def test_a_curve_is_one_column(tmp_path: Path) -> None:
    (t,), values = known(Lorenz())
    assert values.shape == t.shape
    assert values[0] == pytest.approx(-8.0)
    thumbnail(Lorenz(), tmp_path / "new" / "lorenz.png")
    with Image.open(tmp_path / "new" / "lorenz.png") as image:
        assert image.size == (220, 160)
        shown = image.convert("RGBA")
        assert len(shown.getcolors(10_000)) > 1  # not blank
        assert shown.getpixel((0, 0))[3] == 0  # nor opaque


def test_nothing_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Poisson2D, "has_exact", False)
    with pytest.raises(ValueError, match="`Poisson2D` must have an exact or a reference solution"):
        known(Poisson2D())
