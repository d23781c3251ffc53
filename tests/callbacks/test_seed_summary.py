"""The table of several seeds."""

from io import StringIO
from typing import Any
from unittest.mock import Mock

import torch
from lightning.pytorch import Trainer
from rich.console import Console

from helpers.toys import Decay, fit
from lightning_autobalance.callbacks.seed_summary import SeedResult, SeedSummary, seeds_table, shared_sentences


def run(steps: int, loss: float, error: float | None) -> tuple[Any, Any]:
    metrics = {} if error is None else {"val/rel_l2": torch.tensor(error)}
    module = Decay()
    module.latest = {"loss/pde": loss, "lr": 0.1}
    return Mock(spec=Trainer, global_step=steps, callback_metrics=metrics, callbacks=[]), module


def text_of(table: Any, width: int = 100) -> str:
    file = StringIO()
    Console(width=width, file=file).print(table)
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


def test_it_is_readable_in_80_columns() -> None:
    names = [f"loss/{term}" for term in ("momentum_x", "momentum_y", "continuity", "boundary", "initial", "data")]
    numbers = dict.fromkeys([*names, "val/linf", "val/mse", "val/rel_l2"], 1.0)
    text = text_of(seeds_table([SeedResult(seed, "Cavity", 30_000, numbers) for seed in (0, 1)], 80), 80)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert text.count("1.00e+00") == 5 * len(numbers)  # none is broken
    assert all(word in text for word in ("momentum_x", "continuity", "rel_l2", "30,000"))
    assert text.count("Cavity, 2 seeds") == 1


def test_what_is_said_of_several_seeds_is_said_once() -> None:
    said = [("a is 3 times b",), ("a is 4e-2 times b", "c"), ()]
    results = [SeedResult(seed, "P", 1, {}, sentences) for seed, sentences in zip((0, 1, 2), said, strict=True)]
    assert list(shared_sentences(results)) == ["seeds 0, 1 (numbers of 0): a is 3 times b", "seed 1: c"]
