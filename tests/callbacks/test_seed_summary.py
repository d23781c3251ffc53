"""The table of several seeds."""

from io import StringIO
from typing import Any
from unittest.mock import Mock

import torch
from lightning.pytorch import Trainer
from rich.console import Console

from helpers.toys import Decay, fit
from lightning_autobalance.callbacks.seed_summary import SeedResult, SeedSummary, seeds_table


def run(steps: int, loss: float, error: float | None) -> tuple[Any, Any]:
    metrics = {} if error is None else {"val/rel_l2": torch.tensor(error)}
    module = Decay()
    module.latest = {"loss/pde": loss, "lr": 0.1}
    return Mock(spec=Trainer, global_step=steps, callback_metrics=metrics, callbacks=[]), module


def text_of(table: Any) -> str:
    file = StringIO()
    Console(width=100, file=file).print(table)
    return file.getvalue()


def test_rows_medians_and_ranges() -> None:
    runs = [run(1000, 1.0, 0.5), run(1000, 4.0, 0.1), run(7, 2.0, None)]
    text = text_of(seeds_table([SeedResult.of(seed, *run) for seed, run in zip((0, 1, 8), runs, strict=True)]))
    rows = {
        line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:-1]]
        for line in text.splitlines()
        if "│" in line
    }
    assert "Decay, 3 seeds" in text
    assert rows["0"] == ["1.00e+00", "5.00e-01", "1,000"]
    assert rows["8"] == ["2.00e+00", "", "7"]  # ended before its first validation
    assert rows["median"] == ["2.00e+00", "3.00e-01", ""]
    assert rows["least"] == ["1.00e+00", "1.00e-01", ""]
    assert rows["largest"] == ["4.00e+00", "5.00e-01", ""]


def test_the_sentences_of_a_run_are_kept(tmp_path: Any, capsys: Any) -> None:
    summary = SeedSummary()
    fit(Decay(), tmp_path, max_steps=5, callbacks=[summary])
    assert all(isinstance(sentence, str) for sentence in summary.sentences)
    assert "│" not in capsys.readouterr().out
