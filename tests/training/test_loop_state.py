"""From every checkpoint of two epochs, a resumed run calls the hooks of the uninterrupted one, and ends like it."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.optim.lr_scheduler import ReduceLROnPlateau

from helpers.signals import Terminate
from helpers.toys import Decay, fit
from lightning_autobalance.training.epoch_end import KEY
from lightning_autobalance.training.loop_state import Position, normalise

EPOCH, STEPS = 5, 17
TELLING = (1, 3, 5, 6, 10)  # steps: the first, one validated within epochs, the ends of epochs, one across them
VALIDATION: dict[str, dict[str, Any]] = {
    "every epoch": {},
    "every second epoch": {"check_val_every_n_epoch": 2},
    "none": {"limit_val_batches": 0},
    "within epochs": {"val_check_interval": 3},
    "across epochs": {"val_check_interval": 3, "check_val_every_n_epoch": None},
}
HOOKS = (
    "on_train_epoch_start",
    "on_train_batch_start",
    "on_train_batch_end",
    "on_train_epoch_end",
    "on_train_end",
    "on_validation_start",
    "on_validation_epoch_start",
    "on_validation_batch_end",
    "on_validation_epoch_end",
    "on_validation_end",
)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`"),
]


class Record(Callback):
    """What a callback sees: the step, the epoch, the hook, and the loggers' count of steps."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, str, int]] = []
        for hook in HOOKS:
            setattr(self, hook, partial(self._add, hook))

    def _add(self, hook: str, trainer: Any, *_: Any) -> None:
        logged = trainer.fit_loop.epoch_loop._batches_that_stepped
        self.seen.append((trainer.global_step, trainer.current_epoch, hook, logged))

    def after(self, hook: str, step: int) -> list[tuple[int, int, str, int]]:
        """What comes after a hook at a step."""
        calls = [call[:3:2] for call in self.seen]
        return self.seen[len(calls) - calls[::-1].index((step, hook)) :]


class Stops(EarlyStopping):
    """Never stops, and its state depends on every check."""

    def __init__(self, monitor: str) -> None:
        super().__init__(monitor, patience=50, min_delta=1e9, strict=False)


def run(folder: Path, *callbacks: Callback, steps: int = STEPS, **options: Any) -> tuple[Record, dict[str, Any], Any]:
    """The hooks of a run, its final state, and its Trainer."""
    torch.manual_seed(0)
    watched = "loss/pde" if options.keys() & {"check_val_every_n_epoch", "limit_val_batches"} else "val/rel_l2"
    schedule = partial(ReduceLROnPlateau, patience=0, threshold=1e9, factor=0.5)
    module = Decay(scheduler=schedule, scheduler_interval="epoch", monitor=watched)
    record, stopping = Record(), Stops("loss/pde" if "limit_val_batches" in options else "val/rel_l2")
    given = {"max_steps": steps, "num_sanity_val_steps": 0, "log_every_n_steps": 1, **options}
    saves = any(isinstance(each, ModelCheckpoint) for each in callbacks)
    trainer = fit(module, folder, callbacks=[record, stopping, *callbacks], enable_checkpointing=saves, **given)
    schedule_state = trainer.lr_scheduler_configs[0].scheduler.state_dict()
    numbers = {name: schedule_state[name] for name in ("best", "num_bad_epochs", "_last_lr")}
    state = {"schedule": numbers, "stopping": {**stopping.state_dict(), "best_score": float(stopping.best_score)}}
    return record, {**state, **{name: value.tolist() for name, value in module.state_dict().items()}}, trainer


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Record, dict[str, Any]]]:
    """The hooks and the final state of the whole run with a kind of validation; each is made once."""

    @cache
    def made(validation: str) -> tuple[Record, dict[str, Any]]:
        return run(tmp_path_factory.mktemp("whole"), **VALIDATION[validation])[:2]

    return made


@pytest.mark.parametrize("validation", VALIDATION.values(), ids=VALIDATION)
def test_saved_after_a_batch(validation: Any, tmp_path: Path) -> None:
    saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    whole, state, _ = run(tmp_path, saves, **validation)
    for step in TELLING:
        resumed, found, _ = run(tmp_path / "resumed", ckpt_path=tmp_path / f"step={step}.ckpt", **validation)
        assert resumed.seen == whole.after("on_train_batch_end", step), step
        assert found == state, step


def last_hook(whole: Record, shorter: Record, step: int, *, in_validation: bool) -> str:
    """The last hook at a step that both runs have, before a checkpoint was saved."""
    both = [call[2] for call in shorter.seen if call[0] == step and call in whole.seen and call[2] != "on_train_end"]
    return both[-2] if in_validation and both[-1] == "on_train_epoch_end" else both[-1]


@pytest.mark.parametrize("save", ["after fit", "last.ckpt"])
@pytest.mark.parametrize("kind", VALIDATION)
def test_saved_at_the_end_of_a_shorter_run(kind: str, save: str, uninterrupted: Any, tmp_path: Path) -> None:
    validation, (whole, state) = VALIDATION[kind], uninterrupted(kind)
    for step in TELLING:
        folder = tmp_path / str(step)
        saves = [ModelCheckpoint(folder, save_last=True)] if save == "last.ckpt" else []
        shorter, _, trainer = run(folder, *saves, steps=step, **validation)
        if not saves:
            trainer.save_checkpoint(folder / "last.ckpt")
        in_validation = torch.load(folder / "last.ckpt")[KEY]["ended_at"] != step
        resumed, found, _ = run(folder, ckpt_path=folder / "last.ckpt", **validation)
        assert resumed.seen == whole.after(last_hook(whole, shorter, step, in_validation=in_validation), step)
        assert found == state, step


@pytest.mark.parametrize("step", [3, 5, 10])
@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_validation_batch_end"])
@pytest.mark.parametrize("kind", VALIDATION)
def test_saved_on_sigterm(kind: str, hook: str, step: int, uninterrupted: Any, tmp_path: Path) -> None:
    validation, (whole, state) = VALIDATION[kind], uninterrupted(kind)
    if hook not in {call[2] for call in whole.seen if call[0] == step}:
        return  # nothing to interrupt
    with pytest.raises(SIGTERMException):
        run(tmp_path, Terminate(step, hook), ModelCheckpoint(tmp_path, save_last=True), **validation)
    resumed, found, _ = run(tmp_path, ckpt_path=tmp_path / "last.ckpt", **validation)
    assert resumed.seen == whole.seen[len(whole.seen) - len(resumed.seen) :]
    assert resumed.seen[0][0] == step
    assert found == state


@pytest.mark.parametrize("step", [EPOCH - 1, EPOCH])
def test_a_checkpoint_of_an_older_version_goes_on_after_its_epoch(step: int, tmp_path: Path) -> None:
    whole, state, _ = run(tmp_path)
    run(tmp_path, steps=step)[2].save_checkpoint(tmp_path / "last.ckpt")
    older = torch.load(tmp_path / "last.ckpt")
    older["callbacks"].update(older[KEY].get("callbacks", {}))
    del older[KEY]
    torch.save(older, tmp_path / "older.ckpt")
    resumed, found, _ = run(tmp_path, ckpt_path=tmp_path / "older.ckpt")
    assert resumed.seen == whole.after("on_train_epoch_end" if step == EPOCH else "on_train_batch_end", step)
    assert found == state


def test_saved_by_a_callback_before_the_end_of_the_epoch_was_told_to_all(tmp_path: Path) -> None:
    class Saves(Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            trainer.save_checkpoint(tmp_path / f"{trainer.global_step}.ckpt")

    whole, state, _ = run(tmp_path, Saves())
    resumed, found, _ = run(tmp_path, ckpt_path=tmp_path / f"{EPOCH}.ckpt")
    assert resumed.seen == whole.after("on_validation_end", EPOCH)
    assert found == state


def counts(ready: int, processed: int, completed: int) -> dict[str, int]:
    return {"ready": ready, "started": ready, "processed": processed, "completed": completed}


@pytest.mark.parametrize(
    ("epoch", "batch", "last", "position"),
    [
        ((2, 1, 1), (3, 3, 2), False, Position(False, False)),  # after a batch
        ((2, 1, 1), (5, 5, 5), True, Position(False, True)),  # after the validation of the last one
        ((2, 2, 1), (5, 5, 5), True, Position(True, True)),  # in the end of an epoch
        ((2, 2, 2), (5, 5, 5), True, Position(True, True)),  # after it
        ((2, 2, 2), (3, 3, 3), False, Position(False, True)),  # at the end of a run within an epoch
    ],
)
def test_the_state_is_written_as_between_two_events(epoch: Any, batch: Any, last: bool, position: Position) -> None:
    epochs, batches = counts(*epoch), counts(*batch)
    loops: dict[str, Any] = {
        "epoch_progress": {"total": dict(epochs), "current": dict(epochs)},
        "epoch_loop.batch_progress": {"total": dict(batches), "current": dict(batches), "is_last_batch": last},
        "epoch_loop.state_dict": {"_batches_that_stepped": 7},
    }
    assert normalise(loops, {"ended_at": 8, "logged": 8}, 8) == position
    done = 2 if position.epoch_ended else 1
    assert loops["epoch_progress"] == dict.fromkeys(("total", "current"), counts(2, done, done))
    assert loops["epoch_loop.batch_progress"]["current"] == counts(*[batch[0]] * 3)
    assert loops["epoch_loop.state_dict"] == {"_batches_that_stepped": 8}
