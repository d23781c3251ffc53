"""Learning rate schedules, which manual optimization leaves to us: step by step by hand, and in training."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateFinder, ModelCheckpoint
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.tuner import Tuner
from lightning.pytorch.utilities.types import LRSchedulerConfig
from torch import Tensor
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from helpers.toys import Decay, fit, points
from helpers.toys import trainer as quiet_trainer
from lightning_autobalance.module import PINNModule
from lightning_autobalance.optim import AutoAdamW, WarmupExponentialDecay
from lightning_autobalance.training.schedulers import (
    EpochSchedules,
    count_step,
    optimizer_configuration,
    step_schedulers,
)


class Stub(Trainer):
    """Nothing but what schedules look at."""

    lr_scheduler_configs: Any = ()
    callback_metrics: Any = {}  # noqa: RUF012
    is_last_batch: Any = True
    global_step: Any = 0
    check_val_every_n_epoch: Any = 1
    lightning_module: Any = LightningModule()

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
    return LRSchedulerConfig(scheduler, interval="epoch", reduce_on_plateau=True, monitor="val/error")


def epoch_ends(config: LRSchedulerConfig, **metrics: float) -> None:
    """An epoch after which these values are known."""
    trainer = Stub(config, **metrics)
    trainer.global_step = 1
    EpochSchedules("val/error").on_train_epoch_end(trainer, LightningModule())


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
    step_schedulers(trainer, "step", 1)
    assert (lr(by_step), lr(by_epoch)) == (0.5, 1.0)
    step_schedulers(trainer, "epoch", 1)
    assert (lr(by_step), lr(by_epoch)) == (0.5, 0.5)


def test_frequency_is_counted_in_intervals() -> None:
    config = halving(frequency=3)
    found = []
    for count in range(1, 8):
        step_schedulers(Stub(config), "step", count)
        found.append(lr(config))
    assert found == [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_a_plateau_schedule_sees_the_monitored_value() -> None:
    config = plateau()
    epoch_ends(config, error=1.0, other=1.0)
    epoch_ends(config, error=0.5, other=2.0)
    assert lr(config) == 1.0  # the error falls
    epoch_ends(config, error=0.6, other=0.1)
    assert lr(config) == 0.5


def test_a_plateau_schedule_without_a_value_is_left_alone() -> None:
    config = plateau()
    for count in range(1, 4):
        step_schedulers(Stub(config), "epoch", count)
    assert (lr(config), config.scheduler.last_epoch) == (1.0, 0)


def test_a_value_that_is_not_logged_is_refused_with_those_that_are() -> None:
    config = plateau()
    config.monitor = "val/los"
    trainer, schedules = Stub(config, b=1.0, a=1.0), EpochSchedules("val/error")
    trainer.global_step = 1
    schedules.on_train_epoch_end(trainer, LightningModule())  # it may still come, from the module's own hook
    message = r"`monitor` of ReduceLROnPlateau must be .*, got 'val/los'. Logged are: \['val/a', 'val/b'\]"
    with pytest.raises(MisconfigurationException, match=message):
        schedules.on_train_end(trainer, LightningModule())


def test_a_skipped_step_is_counted_by_lightning_alone() -> None:
    made = optimizer()
    wrapped, calls = LightningOptimizer(made), []
    wrapped._on_before_step = lambda: calls.append("before")
    wrapped._on_after_step = lambda: calls.append("after")
    count_step(wrapped)
    assert calls == ["before", "after"]
    count_step(made)
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


def test_a_validation_that_comes_later_is_named(tmp_path: Path) -> None:
    plateau = Decay(scheduler=lambda optimizer: ReduceLROnPlateau(optimizer))
    with pytest.raises(
        MisconfigurationException, match="With `check_val_every_n_epoch` 2, the first validation is after"
    ):
        fit(plateau, tmp_path, max_steps=20, check_val_every_n_epoch=2)
    own = watching({"monitor": "val/mse", "frequency": 2})
    assert fit(own, tmp_path, max_steps=20, check_val_every_n_epoch=2).global_step == 20


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


@pytest.mark.parametrize("saved_at", [4, 5, 7])
@pytest.mark.parametrize("kind", ["step", "plateau"])
@pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")
@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_an_epoch_whose_last_batch_is_the_checkpoint_is_counted(kind: str, saved_at: int, tmp_path: Path) -> None:
    schedules = {
        "step": partial(StepLR, step_size=1, gamma=0.5),
        "plateau": partial(ReduceLROnPlateau, patience=0, threshold=1e9, factor=0.5),
    }

    def trained(folder: str, **options: Any) -> tuple[Tensor, dict[str, Any]]:
        module = seeded(scheduler=schedules[kind], scheduler_interval="epoch", monitor="loss/pde")
        saves = ModelCheckpoint(tmp_path / folder, "{step}", every_n_train_steps=saved_at, save_top_k=-1)
        trainer = fit(
            module, tmp_path, max_steps=15, callbacks=[saves], enable_checkpointing=True, log_every_n_steps=1, **options
        )
        state = trainer.lr_scheduler_configs[0].scheduler.state_dict()
        return weights(module), {name: state[name] for name in ("last_epoch", "_last_lr")}

    whole, state = trained("whole")
    resumed, state_resumed = trained("resumed", ckpt_path=tmp_path / "whole" / f"step={saved_at}.ckpt")
    assert state == state_resumed
    assert state["last_epoch"] == 3
    assert torch.equal(whole, resumed)


# Lightning's dictionary, as in automatic mode ------------------------------------------------------------------------


class Seen(ReduceLROnPlateau):
    """Records what it watches."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.seen: list[float] = []

    def step(self, metrics: Any, epoch: Any = None) -> None:
        self.seen.append(float(metrics))
        super().step(metrics)


class Logs(Callback):
    """Logs a value of its own after every validation, and keeps the losses of every step."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.losses.append(float(trainer.callback_metrics["loss/pde"]))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            trainer.callback_metrics["own"] = torch.tensor(float(trainer.global_step))


def watching(given: dict[str, Any], *, whole: Any = None) -> PINNModule:
    class Own(Decay):
        def configure_optimizers(self) -> Any:
            made = AutoAdamW(self.parameters())
            return {"optimizer": made, "lr_scheduler": {"scheduler": Seen(made), **given}, **(whole or {})}

    torch.manual_seed(0)
    return Own()


def seen(trainer: Trainer) -> list[float]:
    found: list[float] = trainer.lr_scheduler_configs[0].scheduler.seen  # type: ignore[union-attr]
    return found


def test_the_monitor_of_the_users_dictionary_is_watched(tmp_path: Path) -> None:
    trainer = fit(watching({"monitor": "own"}), tmp_path, max_steps=15, callbacks=[Logs()])
    assert seen(trainer) == [5.0, 10.0, 15.0]


def test_the_frequency_of_the_users_dictionary_holds(tmp_path: Path) -> None:
    trainer = fit(watching({"monitor": "own", "frequency": 2}), tmp_path, max_steps=20, callbacks=[Logs()])
    assert seen(trainer) == [10.0, 20.0]


def test_a_schedule_by_steps_sees_the_validation_at_the_same_step(tmp_path: Path) -> None:
    given = {"monitor": "own", "interval": "step", "frequency": 5}
    trainer = fit(watching(given), tmp_path, max_steps=15, callbacks=[Logs()])
    assert seen(trainer) == [5.0, 10.0, 15.0]


@pytest.mark.parametrize("per_call", [1, 5])
def test_a_schedule_by_steps_sees_the_loss_of_every_step(per_call: int, tmp_path: Path) -> None:
    given = {"monitor": "loss/pde", "interval": "step"}
    every, module = Logs(), watching(given)
    fit(seeded(), tmp_path, max_steps=10, callbacks=[every], log_every_n_steps=1)
    module.steps_per_call = per_call
    assert seen(fit(module, tmp_path, max_steps=10, log_every_n_steps=50)) == pytest.approx(every.losses, rel=1e-6)


def test_a_value_that_the_module_logs_at_the_end_of_its_epoch_is_not_late(tmp_path: Path) -> None:
    class Own(Decay):
        def configure_optimizers(self) -> Any:
            made = AutoAdamW(self.parameters())
            return {"optimizer": made, "lr_scheduler": Seen(made), "monitor": "end"}

        def on_train_epoch_end(self) -> None:
            self.log("end", float(self.trainer.current_epoch))

    assert seen(fit(Own(), tmp_path, max_steps=15)) == [0.0, 1.0, 2.0]


def test_an_unknown_monitor_of_the_users_dictionary_lists_what_is_logged(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"`monitor` of Seen.*'no/such'.*loss/pde.*val/rel_l2"):
        fit(watching({"monitor": "no/such"}), tmp_path, max_steps=10)


def test_an_unknown_monitor_is_skipped_where_it_is_not_strict(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="'no/such'.*not stepped, since `strict` is False"):
        trainer = fit(watching({"monitor": "no/such", "strict": False}), tmp_path, max_steps=10)
    assert seen(trainer) == []


def test_a_plateau_without_monitor_watches_the_modules(tmp_path: Path) -> None:
    module = watching({})
    module.monitor = "own"
    assert seen(fit(module, tmp_path, max_steps=10, callbacks=[Logs()])) == [5.0, 10.0]


def test_a_plateau_schedule_may_name_its_value_itself(tmp_path: Path) -> None:
    def schedule(optimizer: Optimizer) -> ReduceLROnPlateau:  # as Lightning's class for YAML does
        made = Seen(optimizer)
        made.monitor = "own"  # type: ignore[attr-defined]
        return made

    trainer = fit(seeded(scheduler=schedule), tmp_path, max_steps=10, callbacks=[Logs()])
    assert seen(trainer) == [5.0, 10.0]


@pytest.mark.parametrize("stop", [5, 7, 10])
def test_schedules_that_watch_values_resume_exactly(stop: int, tmp_path: Path) -> None:
    def run(steps: int, **options: Any) -> list[float]:
        module = watching({"monitor": "loss/pde", "interval": "step", "frequency": 2})
        trainer = fit(module, tmp_path, max_steps=steps, **options)
        trainer.save_checkpoint(tmp_path / f"{steps}.ckpt")
        return seen(trainer)

    whole, first = run(15), run(stop)
    assert first == whole[: len(first)]
    assert run(15, ckpt_path=tmp_path / f"{stop}.ckpt")[-3:] == whole[-3:]


def test_the_hook_of_the_module_steps_the_schedules(tmp_path: Path) -> None:
    class Own(Decay):
        def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
            calls.append(metric)
            super().lr_scheduler_step(scheduler, metric)

    calls: list[Any] = []
    fit(Own(scheduler=partial(StepLR, step_size=1)), tmp_path, max_steps=3)
    assert calls == [None, None, None]


# Lightning's finders --------------------------------------------------------------------------------------------------


def test_the_learning_rate_finder_works_and_is_obeyed(tmp_path: Path) -> None:
    module = seeded()
    before = weights(module)
    found = Tuner(quiet_trainer(tmp_path, max_steps=5)).lr_find(module, datamodule=points(module), num_training=30)
    assert found is not None
    assert all(loss > 0 for loss in found.results["loss"])
    assert torch.equal(weights(module), before)
    assert module.lr == found.suggestion()
    trainer = fit(module, tmp_path, max_steps=2)
    assert trainer.optimizers[0].param_groups[0]["lr"] == module.lr


def test_the_learning_rate_finder_works_as_a_callback(tmp_path: Path) -> None:
    module = seeded()
    trainer = fit(module, tmp_path, max_steps=5, callbacks=[LearningRateFinder(num_training_steps=30)])
    assert trainer.global_step == 5
    assert trainer.optimizers[0].param_groups[0]["lr"] == module.lr


def test_the_batch_size_finder_is_refused_by_name(tmp_path: Path) -> None:
    module = seeded()
    with pytest.raises(MisconfigurationException, match=r"`BatchSizeFinder`.*`batch_size`, got CollocationPoints"):
        Tuner(quiet_trainer(tmp_path, max_steps=5)).scale_batch_size(module, datamodule=points(module))


def test_a_learning_rate_of_zero_is_refused(tmp_path: Path) -> None:
    module = seeded()
    module.lr = 0.0
    with pytest.raises(MisconfigurationException, match=r"`lr` must be finite and > 0, got 0\.0"):
        fit(module, tmp_path, max_steps=1)
