"""The table at the end says what the run did."""

import re
from pathlib import Path

import pytest
from rich.console import Console

from helpers.toys import Decay, fit
from lightning_autobalance.callbacks import BalanceMonitor, FitSummary
from lightning_autobalance.callbacks.fit_summary import summary
from lightning_autobalance.optim.finish import LevenbergMarquardt
from lightning_autobalance.step.compiled import CompiledGradients


def text(tmp_path: Path) -> str:
    module = Decay()
    trainer = fit(module, tmp_path, max_steps=10, enable_checkpointing=True)
    console = Console(record=True, width=200)
    console.print(summary(trainer, module, seconds=2.0, steps=10))
    return console.export_text()


def test_the_numbers_are_those_of_the_run(tmp_path: Path) -> None:
    found = text(tmp_path)
    for part in (
        "Decay with AutoAdamW",
        "loss/pde",
        "loss/boundary",
        "val/rel_l2",
        "2.0 s: 5.0 steps/s, 200.00 ms a step",
        "peak memory",
        "taylor",
        ".ckpt",
    ):
        assert part in found
    assert " 25 " in found  # parameters of 1-8-1


def test_it_is_printed_at_the_end_of_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(Decay(), tmp_path, max_steps=7, log_every_n_steps=2, callbacks=[FitSummary(), BalanceMonitor()])
    printed = " ".join(capsys.readouterr().out.split())
    assert "Decay: MLP with 25 parameters, 16 interior + 2 boundary points, AutoAdamW, 7 steps, float32 on" in printed
    assert "losses │ after step 6, the last that was logged" in printed
    assert "errors │ after step 7" in printed
    assert "- Relative L2 error" in printed
    assert "Decay with AutoAdamW" in printed
    assert "- After preconditioning, the updates of all terms are within a factor" in printed


@pytest.mark.parametrize(("reason", "said"), [("", "compiled │ yes"), ("no g++", "compiled │ no: no g++")])
def test_it_says_whether_the_run_was_compiled(tmp_path: Path, reason: str, said: str) -> None:
    module = Decay()
    trainer = fit(module, tmp_path, max_steps=2)
    console = Console(record=True, width=200)
    module.gradient_stage.compiled = CompiledGradients()
    module.gradient_stage.compiled.reason = reason
    console.print(summary(trainer, module, seconds=2.0, steps=2))
    assert said in re.sub(" +", " ", console.export_text())


def test_it_tells_of_a_finish_and_why_the_run_ended(tmp_path: Path) -> None:
    module = Decay(finish=LevenbergMarquardt(50, tolerance=0.5))
    trainer = fit(module, tmp_path, max_steps=52)
    console = Console(record=True, width=200)
    console.print(summary(trainer, module, seconds=2.0, steps=2))
    found = re.sub(" +", " ", console.export_text())
    assert f"finish │ LevenbergMarquardt: the last {trainer.global_step - 2} of them" in found
    assert "ended early │ the last 3 steps lowered the loss by less than 0.5" in found
