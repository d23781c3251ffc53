"""Learning rate schedules, which manual optimization leaves to us: step by step by hand, and in training."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities.types import LRSchedulerConfig
from torch import Tensor
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from helpers.toys import Decay, fit
from lightning_autobalance.module import PINNModule
from lightning_autobalance.optim import AutoAdamW, WarmupExponentialDecay
from lightning_autobalance.training.schedulers import (
    EpochSchedules,
    count_skipped_step,
    optimizer_configuration,
    step_schedulers,
)


class Stub(Trainer):
    """Nothing but what schedules look at."""

    lr_scheduler_configs: Any = ()
    callback_metrics: Any = {}  # noqa: RUF012
    is_last_batch: Any = True
    global_step: Any = 0

    def __init__(self, *configs: LRSchedulerConfig, **metrics: float) -> None:
        self.lr_scheduler_configs = list(configs)
        self.callback_metrics = {f"val/{name}": torch.tensor(value) for name, value in metrics.items()}


def optimizer() -> Optimizer:
    return SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def lr(config: LRSchedulerConfig) -> float:
    return float(config.scheduler.optimizer.param_groups[0]["lr"])


def halving(interval: str = "step", frequency: int = 1) -> LRSchedulerConfig:
    made = optimizer()
    scheduler = StepLR(made, 1, gamma=0.5)
    made.step()  # torch warns of a schedule that steps before its optimizer
    return LRSchedulerConfig(scheduler, interval=interval, frequency=frequency)


def plateau(**options: Any) -> LRSchedulerConfig:
    """Halves in every step after the first that is no improvement."""
    scheduler = ReduceLROnPlateau(optimizer(), patience=0, factor=0.5)
    for name, value in options.items():
        setattr(scheduler, name, value)
    return LRSchedulerConfig(scheduler, interval="epoch")


def test_the_configuration_is_lightnings() -> None:
    made = optimizer()
    schedule, on_plateau = StepLR(made, 1), ReduceLROnPlateau(made)
    assert optimizer_configuration(made, schedule, "step") == {
        "optimizer": made,
        "lr_scheduler": {"scheduler": schedule, "interval": "step"},
    }
    assert optimizer_configuration(made, schedule, "epoch")["lr_scheduler"]["interval"] == "epoch"
    assert optimizer_configuration(made, on_plateau, "step")["lr_scheduler"]["interval"] == "epoch"


def test_only_the_schedules_of_the_interval_step() -> None:
    by_step, by_epoch = halving("step"), halving("epoch")
    trainer = Stub(by_step, by_epoch)
    step_schedulers(trainer, "step", 1, None)
    assert (lr(by_step), lr(by_epoch)) == (0.5, 1.0)
    step_schedulers(trainer, "epoch", 1, None)
    assert (lr(by_step), lr(by_epoch)) == (0.5, 0.5)


def test_frequency_is_counted_in_intervals() -> None:
    config = halving(frequency=3)
    found = []
    for count in range(1, 8):
        step_schedulers(Stub(config), "step", count, None)
        found.append(lr(config))
    assert found == [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_a_plateau_schedule_sees_the_monitored_value() -> None:
    config = plateau()
    step_schedulers(Stub(config, error=1.0, other=1.0), "epoch", 1, "val/error")
    step_schedulers(Stub(config, error=0.5, other=2.0), "epoch", 2, "val/error")
    assert lr(config) == 1.0  # the error falls
    step_schedulers(Stub(config, error=0.6, other=0.1), "epoch", 3, "val/error")
    assert lr(config) == 0.5


def test_a_plateau_schedule_may_name_its_value_itself() -> None:
    config = plateau(monitor="val/other")
    for count, other in ((1, 1.0), (2, 2.0)):
        step_schedulers(Stub(config, error=1.0 / count, other=other), "epoch", count, "val/error")
    assert lr(config) == 0.5


def test_a_plateau_schedule_without_a_value_is_left_alone() -> None:
    config = plateau()
    for count in range(1, 4):
        step_schedulers(Stub(config), "epoch", count, None)
    assert (lr(config), config.scheduler.last_epoch) == (1.0, 0)


def test_a_value_that_is_not_logged_is_refused_with_those_that_are() -> None:
    message = r"`monitor` of ReduceLROnPlateau must be .*, got 'val/los'. Logged are: \['val/a', 'val/b'\]"
    with pytest.raises(MisconfigurationException, match=message):
        step_schedulers(Stub(plateau(), b=1.0, a=1.0), "epoch", 1, "val/los")


def test_a_skipped_step_is_counted_by_lightning_alone() -> None:
    made = optimizer()
    wrapped, calls = LightningOptimizer(made), []
    wrapped._on_before_step = lambda: calls.append("before")
    wrapped._on_after_step = lambda: calls.append("after")
    count_skipped_step(wrapped)
    assert calls == ["before", "after"]
    count_skipped_step(made)
    assert calls == ["before", "after"]


def epochs_of(
    config: LRSchedulerConfig, *ends: tuple[int, bool], callback: EpochSchedules | None = None
) -> list[float]:
    """The learning rates after epochs that end at a global step, whole or not."""
    callback, trainer, found = callback or EpochSchedules("val/error"), Stub(config), []
    for trainer.global_step, trainer.is_last_batch in ends:
        callback.on_train_epoch_end(trainer, LightningModule())
        found.append(lr(config))
    return found


def test_only_whole_epochs_are_counted() -> None:
    assert epochs_of(halving("epoch"), (5, True), (7, False), (10, True)) == [0.5, 0.5, 0.25]
    assert epochs_of(halving("epoch", frequency=2), (5, True), (7, False), (10, True)) == [1.0, 1.0, 0.5]


def test_an_epoch_that_a_resume_ends_again_is_not_counted_again() -> None:
    before, after = EpochSchedules("val/error"), EpochSchedules("val/error")
    assert epochs_of(halving("epoch"), (5, True), callback=before) == [0.5]
    assert before.state_dict() == {"epochs": 1, "stepped_at": 5}
    after.load_state_dict(before.state_dict())
    every_second = halving("epoch", frequency=2)
    assert epochs_of(every_second, (5, True), (10, True), callback=after) == [1.0, 0.5]
    assert after.state_dict() == {"epochs": 2, "stepped_at": 10}


# In training ----------------------------------------------------------------------------------------------------------


def weights(module: PINNModule) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def seeded(**options: Any) -> PINNModule:
    torch.manual_seed(0)
    return Decay(**options)


def test_schedule_steps_once_per_optimizer_step(tmp_path: Path) -> None:
    schedule = partial(WarmupExponentialDecay, start=1e-4, warmup=10)
    module = seeded(optimizer=partial(AutoAdamW, lr=1e-2), scheduler=schedule, steps_per_call=2)
    trainer = fit(module, tmp_path, max_steps=4)
    assert trainer.lr_scheduler_configs[0].scheduler.last_epoch == 4
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-4 + (1e-2 - 1e-4) * 4 / 10)


def test_schedule_steps_once_per_epoch(tmp_path: Path) -> None:
    schedule = partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.1)
    module = seeded(scheduler=schedule, scheduler_interval="epoch")
    trainer = fit(module, tmp_path, max_steps=10)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-3 * 0.1**2)


def test_plateau_schedule_watches_the_validation_error(tmp_path: Path) -> None:
    plateau = partial(torch.optim.lr_scheduler.ReduceLROnPlateau, patience=0, threshold=1e9, factor=0.5)
    trainer = fit(seeded(scheduler=plateau), tmp_path, max_steps=15)
    assert trainer.optimizers[0].param_groups[0]["lr"] < 1e-3


def test_plateau_schedule_with_an_unknown_value_lists_the_known(tmp_path: Path) -> None:
    module = seeded(scheduler=torch.optim.lr_scheduler.ReduceLROnPlateau, monitor="val/los")
    with pytest.raises(MisconfigurationException, match=r"`monitor`.*'val/los'.*val/rel_l2"):
        fit(module, tmp_path, max_steps=10)


@pytest.mark.parametrize("stop", [7, 10])
@pytest.mark.parametrize("kind", ["step", "plateau"])
def test_epoch_schedules_resume_exactly(kind: str, stop: int, tmp_path: Path) -> None:
    schedules = {
        "step": partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5),
        "plateau": partial(torch.optim.lr_scheduler.ReduceLROnPlateau, patience=1, threshold=1e9, factor=0.5),
    }

    def trained(steps: int, **options: Any) -> tuple[Tensor, dict[str, Any]]:
        module = seeded(scheduler=schedules[kind], scheduler_interval="epoch")
        trainer = fit(module, tmp_path, max_steps=steps, **options)
        trainer.save_checkpoint(tmp_path / f"{steps}.ckpt")
        state = trainer.lr_scheduler_configs[0].scheduler.state_dict()
        return weights(module), {name: state[name] for name in ("last_epoch", "_last_lr")}

    whole, state = trained(20)
    trained(stop)
    resumed, state_resumed = trained(20, ckpt_path=tmp_path / f"{stop}.ckpt")
    assert torch.equal(whole, resumed)
    assert state == state_resumed
    assert state["last_epoch"] == 4
