"""The bars show losses and errors."""

import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.toys import Decay, fit
from lightning_autobalance.callbacks import LossProgressBar, RichLossProgressBar
from lightning_autobalance.callbacks.progress_bars import wrapped


@pytest.mark.parametrize("bar", [LossProgressBar, RichLossProgressBar])
def test_metrics(bar: Any, tmp_path: Path) -> None:
    callback = bar(refresh_rate=1)
    module = Decay()
    trainer = fit(module, tmp_path, max_steps=6, callbacks=[callback], enable_progress_bar=True)
    metrics = callback.get_metrics(trainer, module)
    assert metrics["loss/pde"] == f"{module.latest['loss/pde']:.2e}"
    assert metrics["val/rel_l2"] == pytest.approx(trainer.callback_metrics["val/rel_l2"].item())


def test_tqdm_prints_the_losses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(Decay(), tmp_path, max_steps=6, callbacks=[LossProgressBar(refresh_rate=1)], enable_progress_bar=True)
    printed = capsys.readouterr()
    assert "loss/pde=" in printed.out + printed.err


def test_numbers_wrap_and_none_is_cut() -> None:
    numbers = {f"loss/a_long_name_{i}": "1.00e+00" for i in range(6)} | {"val/rel_l2": 0.1}
    lines = wrapped(numbers, 80)
    assert all(len(line) < 80 for line in lines)
    assert "   ".join(line.strip() for line in lines).split("   ")[-1] == "val/rel_l2 1.00e-01"
    assert sum(line.count("1.00e+00") for line in lines) == 6


def test_in_a_terminal_the_bar_keeps_its_line_and_counts_the_whole_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "30")
    fit(Decay(), tmp_path, max_steps=40, callbacks=[LossProgressBar()], enable_progress_bar=True)
    printed = capsys.readouterr().out
    assert "20/40" in printed
    assert "40/40" in printed
    assert "\n\r  val/rel_l2" in printed
    assert "loss/pde=" not in printed
    assert "v_num" not in printed
