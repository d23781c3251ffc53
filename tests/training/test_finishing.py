"""One run with a finish: counted, logged, checkpointed, resumed and ended as any other."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from torch import Tensor
from torch.optim import SGD, AdamW

from helpers.runs import assert_equal
from helpers.toys import Decay, fit, points
from lightning_autobalance.callbacks import BalanceMonitor
from lightning_autobalance.optim.finish import LBFGS, Finisher, LevenbergMarquardt, SelfScaledBroyden
from lightning_autobalance.step import NonFiniteError
from lightning_autobalance.training.finishing import EndOfRun, FinishPhase
from lightning_autobalance.variants import RAD, RBA

FINISHERS: dict[str, Callable[[int], Finisher]] = {
    "lm": LevenbergMarquardt,
    "ssb": SelfScaledBroyden,
    "lbfgs": partial(LBFGS, iterations=4),
}
pytestmark = pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")


def module(finish: Finisher | None, **options: Any) -> Decay:
    torch.manual_seed(0)
    return Decay(finish=finish, **options)


def weights(trained: Any) -> Tensor:
    return torch.cat([p.detach().flatten() for p in trained.net.parameters()])


class Saves(Callback):
    """Saves a checkpoint after some steps."""

    def __init__(self, folder: Path, *steps: int) -> None:
        self.folder, self.steps = folder, steps

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step in self.steps:
            trainer.save_checkpoint(self.folder / f"{trainer.global_step}.ckpt")


class Seen(Callback):
    """What callbacks see of every step."""

    def __init__(self) -> None:
        self.latest: list[dict[str, float]] = []
        self.steps: list[int] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.steps.append(trainer.global_step)
        self.latest.append(dict(pl_module.latest))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", FINISHERS)
def test_steps_count_and_are_logged(kind: str, tmp_path: Path) -> None:
    seen = Seen()
    run = fit(module(FINISHERS[kind](4)), tmp_path, max_steps=10, log_every_n_steps=1, callbacks=[seen])
    assert run.global_step == 10
    assert seen.steps == list(range(1, 11))
    assert all("lr" in line and "finish/accepted" not in line for line in seen.latest[:6])
    finish = seen.latest[6:]
    assert all("lr" not in line and line["finish/accepted"] in (0.0, 1.0) for line in finish)
    losses = [line["loss/pde"] + line["loss/boundary"] for line in finish]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("per_call", [1, 4])
@pytest.mark.parametrize("kind", FINISHERS)
@pytest.mark.parametrize("stop", [4, 9])
def test_resume_in_both_phases_to_the_last_bit(kind: str, stop: int, per_call: int, tmp_path: Path) -> None:
    def run(**options: Any) -> Any:
        trained = module(FINISHERS[kind](6), steps_per_call=per_call, variant=RBA())
        trainer = fit(trained, tmp_path, max_steps=12, **options)
        return trained, trainer

    whole, _ = run(callbacks=[Saves(tmp_path, 4, 9)])
    resumed, trainer = run(ckpt_path=tmp_path / f"{stop}.ckpt")
    assert trainer.global_step == 12
    assert torch.equal(weights(whole), weights(resumed))
    assert_equal(whole.finish_phase.state_dict(), resumed.finish_phase.state_dict(), "finish")


def test_points_drawn_anew_between_steps(tmp_path: Path) -> None:
    trained = module(LevenbergMarquardt(6), variant=RAD(interval=3))
    run = fit(trained, tmp_path, points(trained, resample_every=0), max_steps=12)
    assert run.global_step == 12


def test_a_finished_run_that_is_made_longer_goes_on_finishing(tmp_path: Path) -> None:
    fit(module(LevenbergMarquardt(3)), tmp_path, max_steps=6, callbacks=[Saves(tmp_path, 6)])
    seen = Seen()
    longer = module(LevenbergMarquardt(3))
    fit(longer, tmp_path, max_steps=9, ckpt_path=tmp_path / "6.ckpt", callbacks=[seen], log_every_n_steps=1)
    assert all("finish/accepted" in line for line in seen.latest)


@pytest.mark.parametrize("kind", FINISHERS)
def test_a_second_fit_begins_with_its_own_first_phase(kind: str, tmp_path: Path) -> None:
    trained, seen = module(FINISHERS[kind](3)), Seen()
    fit(trained, tmp_path, max_steps=6)
    fit(trained, tmp_path, max_steps=12, callbacks=[seen], log_every_n_steps=1)
    assert ["finish/accepted" in line for line in seen.latest] == [False] * 9 + [True] * 3


@pytest.mark.parametrize("kind", FINISHERS)
def test_a_finisher_in_another_run_is_as_new(kind: str, tmp_path: Path) -> None:
    finisher = FINISHERS[kind](4)
    one, other = module(finisher), module(finisher)
    fit(one, tmp_path, max_steps=8)
    fit(other, tmp_path, max_steps=8)
    assert torch.equal(weights(one), weights(other))


@pytest.mark.parametrize("given", [LevenbergMarquardt, "LBFGS", [LBFGS(2)]])
def test_what_is_no_finisher_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"`finish` must be a finisher, such as LevenbergMarquardt\(steps=80\), got "):
        FinishPhase(given)


def test_a_finish_can_be_added_to_a_run_that_had_none(tmp_path: Path) -> None:
    fit(module(None), tmp_path, max_steps=6, callbacks=[Saves(tmp_path, 6)])
    added = module(LevenbergMarquardt(3))
    fit(added, tmp_path, max_steps=9, ckpt_path=tmp_path / "6.ckpt")
    assert added.finish_phase.stage is not None
    assert added.finish_phase.stage.began_at == 6


@pytest.mark.parametrize(("other", "name"), [(None, "none"), (LBFGS(3), "LBFGS")])
def test_another_finish_in_mid_finish_is_refused(other: Any, name: str, tmp_path: Path) -> None:
    fit(module(LevenbergMarquardt(3)), tmp_path, max_steps=6, callbacks=[Saves(tmp_path, 5)])
    with pytest.raises(MisconfigurationException, match=rf"steps of LevenbergMarquardt, got {name}\. Name that one"):
        fit(module(other), tmp_path, max_steps=6, ckpt_path=tmp_path / "5.ckpt")


def test_a_finished_checkpoint_can_be_evaluated(tmp_path: Path) -> None:
    trained = module(LevenbergMarquardt(3))
    fit(trained, tmp_path, max_steps=6, callbacks=[Saves(tmp_path, 6)])
    loaded = Decay.load_from_checkpoint(tmp_path / "6.ckpt")
    assert torch.equal(weights(loaded), weights(trained))


def test_the_monitor_sees_the_terms_gradients(tmp_path: Path) -> None:
    seen, monitor = Seen(), BalanceMonitor()
    trained = module(LevenbergMarquardt(4))
    fit(trained, tmp_path, max_steps=8, log_every_n_steps=2, callbacks=[monitor, seen])
    assert seen.latest[-1].keys() >= {"balance/grad_norm/pde", "balance/grad_cos/pde_x_boundary"}
    assert all(getattr(p, "jac", None) is None for p in trained.parameters())


def test_checkpoints_early_stopping_and_averages(tmp_path: Path) -> None:
    callbacks = [
        ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=3, save_top_k=-1),
        EarlyStopping("loss/pde", patience=100),
        EMAWeightAveraging(decay=0.5),
    ]
    run = fit(
        module(LevenbergMarquardt(4)),
        tmp_path,
        max_steps=9,
        callbacks=callbacks,
        enable_checkpointing=True,
        log_every_n_steps=1,
    )
    assert run.global_step == 9
    assert {path.name for path in tmp_path.glob("step=*.ckpt")} == {f"step={n}.ckpt" for n in (3, 6, 9)}


def test_a_finish_that_can_gain_nothing_ends_the_run_and_says_why(tmp_path: Path) -> None:
    trained = module(LevenbergMarquardt(200, tolerance=0.5))
    run = fit(trained, tmp_path, max_steps=203)
    assert run.global_step < 203
    assert "lowered the loss by less than" in trained.end_of_run.reason
    assert "val/mse" in run.callback_metrics  # the final state is validated


@pytest.mark.parametrize("optimizer", [AdamW, SGD])
def test_any_optimizer_may_come_before(optimizer: Any, tmp_path: Path) -> None:
    assert fit(module(LevenbergMarquardt(2), optimizer=optimizer), tmp_path, max_steps=4).global_step == 4


def test_a_finish_from_the_first_step_in_float64(tmp_path: Path) -> None:
    trained = module(LevenbergMarquardt(-1))
    fit(trained, tmp_path, max_steps=30, precision="64-true")
    assert trained.finish_phase.stage is not None
    assert trained.finish_phase.stage.began_at == 0
    assert sum(map(float, trained.finish_phase.stage.losses.values())) < 1e-3


class Breaks(Decay):
    """Is not a number from the seventh step on."""

    def residuals(self, points: Any) -> dict[str, Tensor]:
        found = super().residuals(points)
        late = self._trainer is not None and self._trainer.global_step >= 6
        return {**found, "pde": found["pde"] * (torch.nan if late else 1.0)}


@pytest.mark.parametrize("kind", FINISHERS)
def test_a_loss_that_is_not_finite_at_the_switch_is_named(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    broken = Breaks(finish=FINISHERS[kind](6), skip_non_finite=3)
    with pytest.raises(
        NonFiniteError, match="loss term `pde` must be finite at step 6, where a finisher works, got nan"
    ):
        fit(broken, tmp_path, max_steps=12)
    assert torch.isfinite(weights(broken)).all()


@pytest.mark.parametrize("kind", FINISHERS)
def test_clipping_and_several_steps_per_call_are_of_the_steps_before(kind: str, tmp_path: Path) -> None:
    def ends(per_call: int) -> Any:
        trained = module(FINISHERS[kind](6), gradient_clip_val=0.1, steps_per_call=per_call)
        assert fit(trained, tmp_path, max_steps=12).global_step == 12
        return trained

    one, four = ends(1), ends(4)
    assert torch.equal(weights(one), weights(four))


def test_gradients_below_what_float32_holds_do_no_harm(tmp_path: Path) -> None:
    class Tiny(Decay):
        def residuals(self, points: Any) -> dict[str, Tensor]:
            return {term: 1e-21 * r for term, r in super().residuals(points).items()}

    tiny = Tiny(finish=LevenbergMarquardt(3), check_exact=False)
    assert fit(tiny, tmp_path, max_steps=6).global_step == 6
    assert torch.isfinite(weights(tiny)).all()


def test_the_noise_ends_the_run_in_either_phase(tmp_path: Path) -> None:
    first = module(None, stop_at_noise={"boundary": 10.0, "pde": 100.0})
    assert fit(first, tmp_path, max_steps=9).global_step == 1
    second = module(LevenbergMarquardt(8), stop_at_noise={"boundary": 1e-2, "pde": 1e-1})
    assert 1 < fit(second, tmp_path, max_steps=9).global_step < 9
    assert "residuals of boundary, pde have come down to their noise" in second.end_of_run.reason


@pytest.mark.parametrize(
    ("losses", "ends"),
    [
        ((0.0, 0.0101), False),  # above 0.1 squared
        ((0.0, 0.0099), True),
        ((0.018, 0.0099), True),  # 0.018 < 2 * 0.0099
        ((0.021, 0.0099), False),  # the equation is not solved yet
    ],
)
def test_a_run_ends_where_noise_is_all_that_is_left(losses: tuple[float, float], ends: bool) -> None:
    end = EndOfRun({"data": 0.1}, {"data": 2.0})
    assert bool(end.at_noise(("pde", "data"), torch.tensor(losses))) is ends


def test_without_noise_a_run_goes_on() -> None:
    assert not EndOfRun({}, {}).at_noise(("pde",), torch.tensor([0.0]))
