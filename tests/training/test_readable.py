"""What is saved can be loaded, or is refused when it is saved."""

from collections import Counter, OrderedDict, defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from helpers.runs import assert_equal, run_code, server
from helpers.toys import Decay, fit
from lightning_autobalance.nets import MLP
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.training.readable import check_readable, unreadable


class SavesAll(Decay):
    """As many modules do."""

    def __init__(self, extra: Any = 1.0, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.save_hyperparameters()


class Adds(Decay):
    """Puts a number of its own into the checkpoint, after those of `PINNModule`."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mine"] = np.float32(0.5)
        super().on_save_checkpoint(checkpoint)


class Keeps(Callback):
    """Has a state."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def state_dict(self) -> dict[str, Any]:
        return {"history": {"loss": [0.5, self.value]}}


MADE: dict[str, Any] = {
    "lr": lambda: Decay(optimizer=partial(AutoAdamW, lr=np.logspace(-3, -2, 2)[0])),
    "lr of torch": lambda: Decay(optimizer=partial(torch.optim.SGD, lr=np.float64(1e-3), momentum=np.float32(0.5))),
    "LambdaLR": lambda: Decay(scheduler=lambda o: LambdaLR(o, lambda k: np.exp(-k / 100))),
    "save_hyperparameters": lambda: SavesAll(net=MLP(1, 1, [4])),
    "Path": lambda: SavesAll(extra=Path("a"), net=MLP(1, 1, [4])),
    "weights": lambda: Decay(weights={"pde": np.float64(3)}, gradient_clip_val=np.float64(0.5)),
    "an entry of one's own": Adds,
}


def train(module: Decay, folder: Path, callback: Callback, **options: Any) -> Any:
    callbacks = [ModelCheckpoint(folder, save_last=True), callback]
    return fit(module, folder, enable_checkpointing=True, callbacks=callbacks, **options)


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.filterwarnings("ignore:Attribute 'net' is an instance")
def test_a_run_with_numpy_numbers_or_objects_resumes(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = train(MADE[kind](), tmp_path / "whole", Keeps(np.float64(1.5)), max_steps=10)
    torch.manual_seed(0)
    train(MADE[kind](), tmp_path / "part", Keeps(np.float64(1.5)), max_steps=6)
    last = tmp_path / "part" / "last.ckpt"
    assert torch.load(last, weights_only=True)["callbacks"]["Keeps"] == {"history": {"loss": [0.5, 1.5]}}
    resumed = train(MADE[kind](), tmp_path / "part", Keeps(0), max_steps=10, ckpt_path=last)
    assert_equal(dict(whole.model.state_dict()), dict(resumed.model.state_dict()))


WHOLE = """
import numpy as np
from helpers.toys import Decay, fit
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning_autobalance import CollocationPoints, Interval
from lightning_autobalance.variants import RoPINN
i = np.int64
class Own(Decay):
    domain = Interval(i(0), i(1))
for steps, path in ((6, None), (8, "last.ckpt")):
    data = CollocationPoints({"interior": i(8), "boundary": i(2)}, None, i(2), i(1), i(4), i(50), i(50))
    module = Own(variant=RoPINN(seed=i(3)), steps_per_call=i(2), skip_non_finite=np.int32(1))
    fit(module, ".", data, max_steps=steps, enable_checkpointing=True, callbacks=[ModelCheckpoint(".", save_last=True)],
        ckpt_path=path)
module = Own.load_from_checkpoint("last.ckpt", variant=RoPINN())
assert module.steps_per_call == 2
"""


def test_whole_numbers_of_numpy(tmp_path: Path) -> None:
    """In a process of its own, because tests compare arguments with annotations."""
    log = tmp_path / "log"
    process = server().Process(target=run_code, args=(WHOLE, tmp_path, log))
    process.start()
    process.join()
    assert process.exitcode == 0, log.read_text()


@pytest.mark.parametrize(
    ("value", "named"),
    [(np.zeros(3), "numpy.ndarray"), (Path("a"), r"pathlib.\w*Path"), (len, "builtin_function"), (nn.Tanh(), "Tanh")],
    ids=["array", "path", "function", "module"],
)
def test_what_cannot_be_read_is_refused_when_it_is_saved(value: Any, named: str, tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=rf"`callbacks/Keeps/history/loss/1` of a .*got .*{named}"):
        train(Decay(), tmp_path, Keeps(value), max_steps=6)
    assert not list(tmp_path.glob("*.ckpt"))


def test_an_earlier_checkpoint_stays_when_a_later_one_is_refused(tmp_path: Path) -> None:
    class Grows(Keeps):
        def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step > 5:
                self.value = np.zeros(2)

    with pytest.raises(MisconfigurationException, match=r"numpy\.ndarray"):
        train(Decay(), tmp_path, Grows(0), max_steps=10)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 5


def test_what_torch_reads_is_accepted() -> None:
    ordered = OrderedDict(a=torch.ones(2, requires_grad=True), b=nn.Parameter(torch.ones(1)))
    check_readable({"a": ordered, "b": Counter("ab"), "c": torch.Size([1]), "d": torch.float32, "e": {1, 2}, 3: (b"",)})


def test_keys_and_containers_are_looked_at() -> None:
    found = dict(unreadable({"a": [{np.int64(1): 2}], "b": {"c": defaultdict(lambda: 0)}, "d": {Path("x")}}))
    assert list(found) == ["a/0/1", "b/c", "d"]
