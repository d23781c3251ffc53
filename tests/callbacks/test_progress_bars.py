"""The bars show losses and errors."""

from pathlib import Path
from typing import Any

import pytest

from helpers.toys import Decay, fit
from lightning_autobalance.callbacks import LossProgressBar, RichLossProgressBar


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
