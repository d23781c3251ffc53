"""``compile: auto``: long runs are compiled, and go on from a checkpoint as they were."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from pickle import dumps, loads
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from helpers.toys import Decay, fit
from lightning_autobalance.optim.finish import LevenbergMarquardt
from lightning_autobalance.step import TermGradientStage, compiled
from lightning_autobalance.training import compile_long_runs, compile_rule
from lightning_autobalance.training.compile_long_runs import CompileLongRuns

pytestmark = pytest.mark.usefixtures("compiler")
LONG = 6


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One that leaves the function as it is, up to a rounding error that tells the two apart; runs of 6 are long."""
    made: list[Any] = []

    def rounded(*arguments: Any) -> compiled.Result:
        terms, losses, blocks, counts = compiled.losses_and_gradients(*arguments)
        return terms, losses, [None if block is None else block * (1 + 1e-7) for block in blocks], counts

    monkeypatch.setattr(compiled, "_compiled", lambda *options: made.append(options) or rounded)
    monkeypatch.setattr(compile_rule, "steps_enough", lambda _: LONG)
    for module in (compile_rule, compile_long_runs):
        monkeypatch.setattr(module, "has_compiler", lambda _: True)
    return made


def trained(tmp_path: Path, steps: int, **options: Any) -> tuple[Decay, Trainer]:
    torch.manual_seed(0)
    arguments = {name: options.pop(name) for name in ("compile", "finish") if name in options}
    module = options.pop("kind", Decay)(**arguments)
    return module, fit(module, tmp_path, max_steps=steps, **options)


def weights(module: Decay) -> Tensor:
    return torch.cat([p.detach().reshape(-1) for p in module.parameters()])


def test_a_long_run_is_compiled_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        module, _ = trained(tmp_path, LONG)
    assert module.gradient_stage.is_compiled
    assert "`compile: auto` compiles the step, for a run of 6 steps. That may take a minute" in caplog.text
    assert "s of compiling, after which losses and gradients of a step take" in caplog.text
    assert torch.equal(weights(module), weights(trained(tmp_path, LONG, compile=True)[0]))
    assert not torch.equal(weights(module), weights(trained(tmp_path, LONG, compile=False)[0]))


@pytest.mark.parametrize("options", [{"steps": LONG - 1}, {"steps": LONG, "finish": LevenbergMarquardt(1)}])
def test_a_short_run_is_not(
    tmp_path: Path, options: dict[str, Any], compiler: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        module, _ = trained(tmp_path, **options)
    assert (module.gradient_stage.compiled, compiler) == (None, [])
    assert "compile" not in caplog.text


class Own(Decay):
    def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {term: residual.square().mean() for term, residual in self.residuals(points).items()}


def test_losses_of_ones_own_are_left_alone(tmp_path: Path, compiler: list[Any]) -> None:
    trained(tmp_path, LONG, kind=Own)
    assert compiler == []


def fails(*_: Any) -> compiled.Result:
    raise NotImplementedError("no such kernel\nin many lines")


def test_what_cannot_be_compiled_is_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compiled, "_compiled", lambda *_: fails)
    with caplog.at_level("INFO"):
        module, run = trained(tmp_path, LONG)
    assert "the run goes on uncompiled: NotImplementedError: no such kernel" in caplog.text
    assert torch.equal(weights(module), weights(trained(tmp_path, LONG, compile=False)[0]))
    assert callback_of(run).state_dict() == {"compiled": False, "steps": LONG}


def callback_of(run: Trainer) -> CompileLongRuns:
    return next(each for each in run.callbacks if isinstance(each, CompileLongRuns))  # type: ignore[attr-defined]


def changes(after: int) -> Callable[..., compiled.Result]:
    calls = []

    def function(*arguments: Any) -> compiled.Result:
        calls.append(1)
        if torch._dynamo.config.error_on_recompile and len(calls) > after:
            raise compiled.RecompileError("other shapes")
        return compiled.losses_and_gradients(*arguments)

    return function


def test_nothing_is_compiled_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_compiled", lambda *_: changes(after=5))
    module, _ = trained(tmp_path, LONG)
    assert module.gradient_stage.compiled is not None
    assert "has changed" in module.gradient_stage.compiled.reason
    assert torch.equal(weights(module), weights(trained(tmp_path, LONG, compile=False)[0]))


class Stop(Callback):
    """Ends the run after its third step, as SIGTERM would."""

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        trainer.should_stop = trainer.global_step == 3


def test_a_run_goes_on_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it would be decided otherwise now."""
    whole, _ = trained(tmp_path, LONG)
    _, first = trained(tmp_path, LONG, callbacks=[Stop()])
    assert first.global_step == 3
    first.save_checkpoint(tmp_path / "it.ckpt")
    monkeypatch.setattr(compile_rule, "steps_enough", lambda _: 100)
    rest, _ = trained(tmp_path, LONG, ckpt_path=tmp_path / "it.ckpt")
    assert rest.gradient_stage.is_compiled
    assert torch.equal(weights(rest), weights(whole))


@pytest.mark.parametrize(("steps", "wanted"), [(LONG, False), (LONG + 2, True)])
def test_what_was_not_compiled_stays_so_unless_the_run_is_longer(tmp_path: Path, steps: int, wanted: bool) -> None:
    decision, stage = CompileLongRuns(), TermGradientStage("auto")
    module, run = trained(tmp_path, 1, compile=False)
    module.gradient_stage = stage
    decision.load_state_dict({"compiled": False, "steps": LONG})
    run.fit_loop.epoch_loop.max_steps = steps
    decision.on_train_start(run, module)
    assert stage.is_compiled == wanted


@pytest.mark.parametrize("given", [True, False, "default"])
def test_what_the_user_decides_is_not_decided(given: bool | str) -> None:
    stage = TermGradientStage(given)
    assert not stage.is_automatic
    assert stage.is_compiled == bool(given)


def test_the_processes_decide_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_long_runs, "max_over_ranks", lambda x: torch.ones_like(x))  # another has no compiler
    module, _ = trained(tmp_path, LONG)
    assert module.gradient_stage.compiled is None


def test_copies_know_nothing_of_a_process(tmp_path: Path) -> None:
    module, _ = trained(tmp_path, LONG)
    for other in (deepcopy(module.gradient_stage), loads(dumps(module.gradient_stage))):
        assert other.compiled._function is None
        assert other.is_automatic
