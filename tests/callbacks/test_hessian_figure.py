"""What the picture of spectra shows."""

import pytest
import torch

from lightning_autobalance.callbacks.hessian_figure import draw_spectra
from lightning_autobalance.callbacks.hessian_spectrum import summarize
from lightning_autobalance.callbacks.term_spectra import SUM, Spectra
from lightning_autobalance.jacobian import Spectrum


def spectra(*kinds: str, exact: bool = True) -> Spectra:
    values = torch.tensor([-2.0, 0.0, 1.0, 1.0, 50.0])
    terms = {"pde": values, "left_edge": values / 10, SUM: 1.1 * values}
    return {kind: {t: Spectrum(v, torch.full_like(v, 0.2), 5, exact) for t, v in terms.items()} for kind in kinds}


def test_panels_and_their_lines() -> None:
    found = spectra("plain", "autobalance")
    history = {0: summarize(spectra("plain")), 10: summarize(found)}
    first, second, conditions = draw_spectra(found, history, "a title").axes
    assert [axis.get_title() for axis in (first, second)] == ["Hessian", "AutoBalance-preconditioned Hessian"]
    positive, negative = first.lines[:2]
    assert positive.get_xdata().tolist() == pytest.approx([1, 2, 3])
    assert positive.get_ydata().tolist() == [50, 1, 1]
    assert negative.get_ydata().tolist() == [2]
    assert [text.get_text() for text in first.get_legend().texts][:3] == ["pde", "left edge", "sum of terms"]
    assert [line.get_xdata().tolist() for line in conditions.lines] == [[0, 10]] * 3 + [[10]] * 3
    assert conditions.lines[0].get_ydata().tolist() == pytest.approx([50 * 5 / 54] * 2)


def test_an_estimate_says_so() -> None:
    found = spectra("plain", exact=False)
    axis = draw_spectra(found, {0: summarize(found)}, "a title").axes[0]
    assert axis.get_legend().get_title().get_text() == "Lanczos estimate"


def test_a_cut_off_is_named() -> None:
    found = spectra("plain")
    assert "0.001" in draw_spectra(found, {0: summarize(found, 1e-3)}, "a title", 1e-3).axes[1].get_ylabel()


def test_spectra_that_vanish_can_be_drawn() -> None:
    zero = Spectrum(torch.zeros(3), torch.full((3,), 1 / 3), 3, exact=True)
    found = {"plain": {"pde": zero, SUM: zero}}
    figure = draw_spectra(found, {0: summarize(found)}, "a title")
    figure.canvas.draw()
    assert len(figure.axes) == 2
