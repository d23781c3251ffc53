"""`steps_per_call` changes how often Lightning's loop goes round, and nothing that anybody sees."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset, IterableDataset

from helpers.runs import assert_equal
from helpers.toys import Decay, fit, points, trainer
from lightning_autobalance.module import PINNModule

SEVERAL = [3, 10]
EVERYTHING: list[dict[str, Any]] = [
    {},
    {"check_val_every_n_epoch": None, "val_check_interval": 7},
    {"val_check_interval": 4},
    {"val_check_interval": 0.5, "limit_train_batches": 8},
    {"max_steps": -1, "max_epochs": 2},
]
pytestmark = pytest.mark.filterwarnings(
    "ignore:Using ModelCheckpoint with manual optimization",
    "ignore:The '.*_dataloader' does not have many workers",
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
    "ignore:Be aware that when using `ckpt_path`, callbacks used to create",
)


class Calls(Callback):
    """Counts the calls of `training_step`, without being due at any."""

    def __init__(self) -> None:
        self.count = 0

    def on_train_batch_end(self, *_: Any) -> None:
        self.count += 1

    def next_due_step(self, step: int) -> None:
        pass


class Recorder(Callback):
    """Keeps (global_step, hook, what Lightning's loop counts) for all hooks but those of a batch."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def see(self, trainer: Trainer, hook: str) -> None:
        loop = trainer.fit_loop.epoch_loop
        counted = (loop.batch_idx, loop.total_batch_idx, trainer.current_epoch, trainer.is_last_batch)
        self.seen.append((trainer.global_step, hook, *counted, loop._batches_that_stepped))

    def on_before_optimizer_step(self, trainer: Trainer, *_: Any) -> None:
        self.see(trainer, "on_before_optimizer_step")

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        self.see(trainer, "on_train_epoch_start")

    def on_train_epoch_end(self, trainer: Trainer, *_: Any) -> None:
        self.see(trainer, "on_train_epoch_end")

    def on_validation_end(self, trainer: Trainer, *_: Any) -> None:
        self.see(trainer, "on_validation_end")

    def on_save_checkpoint(self, trainer: Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        self.see(trainer, f"on_save_checkpoint {checkpoint['loops']}")

    def on_train_end(self, trainer: Trainer, *_: Any) -> None:
        self.see(trainer, "on_train_end")


class BatchRecorder(Recorder):
    """Those of a batch as well, with the batch that they get."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.see(trainer, f"on_train_batch_start {batch_idx} {float(batch['interior'].sum())}")

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.see(trainer, f"on_train_batch_end {batch_idx} {float(batch['interior'].sum())}")


class Lines(CSVLogger):
    """Keeps where on the step axis each line lies."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lines: list[Any] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:  # type: ignore[override]
        self.lines.append((step, sorted(metrics)))


class Logging(Callback):
    """Logs within the training step."""

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: Any, optimizer: Any) -> None:
        pl_module.log("mine", float(trainer.global_step), on_step=True, on_epoch=True)


def module(cls: type[PINNModule] = Decay, **options: Any) -> PINNModule:
    torch.manual_seed(0)
    return cls(**options)


def everything(folder: Path, steps_per_call: int, **options: Any) -> tuple[Any, ...]:
    """What recorder, checkpoints, loggers, averages and weights see of a run, and its number of calls."""
    recorder, calls, logger = Recorder(), Calls(), Lines(folder)
    pinn = module(steps_per_call=steps_per_call, scheduler=lambda optimizer: StepLR(optimizer, 3, gamma=0.9))
    callbacks = [
        recorder,
        calls,
        Logging(),
        LearningRateMonitor("step"),
        EMAWeightAveraging(decay=0.9, update_every_n_steps=8),
        ModelCheckpoint(folder, every_n_train_steps=6, save_top_k=-1),
    ]
    data = points(pinn, steps_per_epoch=13, resample_every=3)
    kept = {"logger": logger, "enable_checkpointing": True, "log_every_n_steps": 5, "num_sanity_val_steps": 0}
    run = fit(pinn, folder, data, **{"max_steps": 47, "callbacks": callbacks, **kept, **options})
    files = sorted(path.name for path in folder.glob("*.ckpt"))
    saved = {name: torch.load(folder / name, weights_only=True)["state_dict"] for name in files}
    return calls.count, run.estimated_stepping_batches, recorder.seen, logger.lines, saved, pinn.state_dict()


@pytest.mark.parametrize("options", EVERYTHING, ids=str)
def test_everybody_sees_the_same(options: dict[str, Any], tmp_path: Path) -> None:
    one_by_one, *expected = everything(tmp_path / "1", 1, **options)
    for steps_per_call in SEVERAL:
        calls, *found = everything(tmp_path / str(steps_per_call), steps_per_call, **options)
        assert_equal(found, expected, f"{steps_per_call} steps per call")
        assert calls < one_by_one


@pytest.mark.parametrize("steps_per_call", SEVERAL)
def test_a_callback_that_watches_every_batch_sees_every_step(steps_per_call: int, tmp_path: Path) -> None:
    def seen(most: int) -> list[Any]:
        recorder, pinn = BatchRecorder(), module(steps_per_call=most)
        fit(pinn, tmp_path, points(pinn, steps_per_epoch=7, resample_every=2), max_steps=17, callbacks=[recorder])
        return recorder.seen

    assert seen(steps_per_call) == seen(1)


def test_an_average_every_ten_steps_is_one_of_trained_weights(tmp_path: Path) -> None:
    def averaged(steps_per_call: int) -> Tensor:
        pinn, calls = module(steps_per_call=steps_per_call), Calls()
        average = EMAWeightAveraging(decay=0.9, update_every_n_steps=10)
        fit(pinn, tmp_path, points(pinn, steps_per_epoch=30), max_steps=30, callbacks=[average, calls])
        assert calls.count == (30 if steps_per_call == 1 else 7)  # steps 0, 10, ... and the last by themselves
        return torch.cat([p.detach().flatten() for p in pinn.parameters()])

    start = torch.cat([p.detach().flatten() for p in module().parameters()])
    found = averaged(10)
    assert torch.equal(found, averaged(1))
    assert not torch.equal(found, start)


@pytest.mark.parametrize("steps_per_call", [1, 4, 100])
def test_two_epochs_are_twice_the_steps_of_an_epoch(steps_per_call: int, tmp_path: Path) -> None:
    pinn = module(steps_per_call=steps_per_call)
    run = fit(pinn, tmp_path, points(pinn, steps_per_epoch=10), max_steps=-1, max_epochs=2)
    assert run.global_step == 20


@pytest.mark.parametrize("steps_per_call", [1, 4, 100])
def test_where_nobody_is_due_a_call_is_as_long_as_it_may_be(steps_per_call: int, tmp_path: Path) -> None:
    pinn, calls = module(steps_per_call=steps_per_call), Calls()
    fit(pinn, tmp_path, points(pinn, steps_per_epoch=101), max_steps=101, callbacks=[calls])
    assert calls.count == 100 // steps_per_call + 1  # the last step by itself


@pytest.mark.parametrize("stop", [4, 9, 11])
def test_a_resumed_run_goes_on_within_an_epoch_and_within_a_call(stop: int, tmp_path: Path) -> None:
    def trained(most: int, **options: Any) -> tuple[Any, Any]:
        pinn, recorder = module(steps_per_call=most), Recorder()
        keep = ModelCheckpoint(tmp_path, filename=f"{most}", every_n_train_steps=stop, save_top_k=-1)
        data = points(pinn, steps_per_epoch=9, resample_every=5)
        callbacks = [recorder, *([keep] if not options else [])]
        saved = {"enable_checkpointing": True, "max_steps": stop + 3 if not options else 30}
        fit(pinn, tmp_path, data, callbacks=callbacks, **{**saved, **options})
        return recorder.seen, pinn.state_dict()

    _, whole = trained(1, enable_checkpointing=False)
    found = []
    for most in (1, *SEVERAL):
        trained(most)
        seen, state = trained(most, ckpt_path=tmp_path / f"{most}.ckpt", enable_checkpointing=False)
        assert_equal(state, whole)
        found.append(seen)
    assert all(each == found[0] for each in found[1:])
    assert found[0][0][0] == stop


class Rows(Dataset[dict[str, Tensor]]):
    """Twelve pairs of points, all different."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"interior": torch.tensor([index / 12]), "boundary": torch.tensor([float(index % 2)])}


class Stream(IterableDataset[dict[str, Tensor]]):
    """The same without a length."""

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return (Rows()[index] for index in range(12))


class Noisy(Decay):
    """Counts how often a batch is moved, and takes part in it."""

    moved = 0

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        self.moved += 1
        return {part: x + 0.01 * self.moved for part, x in batch.items()}


@pytest.mark.parametrize("dataset", [Rows(), Stream()], ids=["sized", "unsized"])
@pytest.mark.parametrize("cls", [Decay, Noisy])
def test_every_step_has_a_batch_of_a_loader_of_ones_own(dataset: Any, cls: Any, tmp_path: Path) -> None:
    def trained(steps_per_call: int) -> tuple[int, int, Any]:
        pinn, calls = module(cls, steps_per_call=steps_per_call, check_exact=False), Calls()
        run = trainer(tmp_path, max_epochs=3, callbacks=[calls], limit_val_batches=0)
        run.fit(pinn, DataLoader(dataset, batch_size=2))
        return run.global_step, calls.count, pinn.state_dict()

    steps, calls, state = trained(1)
    assert steps == calls == 18
    steps, calls, found = trained(4)
    assert steps == 18
    assert calls == (9 if isinstance(dataset, Rows) else 18)  # 4, 1 and the last of each epoch
    assert_equal(found, state)


@pytest.mark.filterwarnings("ignore:You have overridden `on_after_batch_transfer`")
def test_hooks_of_a_transfer_see_every_batch_of_points(tmp_path: Path) -> None:
    states = []
    for steps_per_call in (1, 5):
        pinn = module(Noisy, steps_per_call=steps_per_call, check_exact=False)
        fit(pinn, tmp_path, max_steps=12, limit_val_batches=0)
        assert pinn.moved == 12  # type: ignore[attr-defined]
        states.append(pinn.state_dict())
    assert_equal(*states)


@pytest.mark.parametrize("steps_per_call", [1, 10])
def test_a_stop_within_a_call_stops_there(steps_per_call: int, tmp_path: Path) -> None:
    class Stop(Callback):
        def on_before_optimizer_step(self, trainer: Trainer, *_: Any) -> None:
            trainer.should_stop = trainer.global_step == 4

    pinn = module(steps_per_call=steps_per_call)
    assert fit(pinn, tmp_path, points(pinn, steps_per_epoch=30), max_steps=30, callbacks=[Stop()]).global_step == 5


class Short:
    """A loader that ends before its length."""

    def __len__(self) -> int:
        return 9

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return iter([{"interior": torch.rand(3, 1), "boundary": torch.zeros(1, 1)}] * 5)


@pytest.mark.parametrize("steps_per_call", [1, 3, 10])
def test_a_loader_with_fewer_batches_than_it_says(steps_per_call: int, tmp_path: Path) -> None:
    run = trainer(tmp_path, max_epochs=2, limit_val_batches=0)
    run.fit(module(steps_per_call=steps_per_call), Short())
    assert run.global_step == 10


class Own(Decay):
    def training_step(self, batch: Any, batch_idx: int) -> None:
        self.__dict__.setdefault("indices", []).append(batch_idx)
        super().training_step(batch, batch_idx)


def test_a_training_step_of_ones_own_is_called_at_every_step(tmp_path: Path, caplog: Any) -> None:
    pinn = module(Own, steps_per_call=4)
    fit(pinn, tmp_path, max_steps=5)
    assert pinn.indices == [0, 1, 2, 3, 4]
    assert "since `training_step` of `Own` must see each step" in caplog.text


def test_who_limits_a_call_is_named_once(tmp_path: Path, caplog: Any) -> None:
    pinn = module(steps_per_call=4)
    fit(pinn, tmp_path, max_steps=9, callbacks=[BatchRecorder()])
    (text,) = (record.message for record in caplog.records if "steps_per_call" in record.message)
    assert "`steps_per_call` is 4, but every call takes one step" in text
    assert "`on_train_batch_start` of `BatchRecorder` and `on_train_batch_end` of `BatchRecorder`" in text
    assert "`next_due_step(step)`" in text
    caplog.clear()
    fit(module(steps_per_call=4), tmp_path, max_steps=9)
    fit(module(), tmp_path, max_steps=9, callbacks=[BatchRecorder()])
    assert "steps_per_call" not in caplog.text
