"""A checkpoint means the same when it is loaded, or is refused: docs/how-to/resume.md, by row."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import BaseFinetuning, ModelCheckpoint
from torch import nn
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import ExponentialLR, StepLR

from helpers.toys import Decay, fit, points
from lightning_autobalance.balancing import DWA, ConFIG, EqualWeights, RandomWeights
from lightning_autobalance.nets import MLP
from lightning_autobalance.optim import AutoAdam, AutoAdamW, AutoBalance
from lightning_autobalance.points import Interval
from lightning_autobalance.training.record import CHECKPOINT_KEY
from lightning_autobalance.variants import GPINN, RBA, CoPINN, RoPINN, Stack

STEP = partial(StepLR, step_size=1, gamma=0.9)
DECAY = partial(ExponentialLR, gamma=0.9)


class Longer(Decay):
    domain = Interval(0.0, 2.0)


Longer.__qualname__ = "Decay"


def saved(folder: Path, module: Decay, data: Any = None) -> Path:
    fit(module, folder, data, max_steps=6).save_checkpoint(folder / "last.ckpt")
    return folder / "last.ckpt"


def mlp(activation: str = "tanh") -> MLP:
    return MLP(1, 1, [8], activation=activation)


def make(**arguments: Any) -> Callable[[], Decay]:
    return lambda: Decay(**arguments)


PRE = {"optimizer": AdamW}


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (make(net=mlp("sin")), make(net=mlp()), r"`net\.1` must be as in the checkpoint, Sin, got Tanh"),
        (
            lambda: Decay(net=nn.Sequential(nn.Linear(1, 8), nn.Softplus(2.0), nn.Linear(8, 1))),
            lambda: Decay(net=nn.Sequential(nn.Linear(1, 8), nn.Softplus(1.0), nn.Linear(8, 1))),
            r"`net\.1\.beta` must be as in the checkpoint, 2\.0, got 1\.0",
        ),
        (make(), Longer, r"`domain\.bounds` must be as in the checkpoint, \[\[0\.0, 1\.0\]\], got \[\[0\.0, 2\.0\]\]"),
        (make(), make(optimizer=AdamW), "`optimizer` must be as in the checkpoint, AutoAdamW, got AdamW"),
        (make(**PRE), make(optimizer=SGD), "`optimizer` must be as in the checkpoint, AdamW, got SGD"),
        (make(optimizer=AutoAdamW), make(optimizer=AutoAdam), "in the checkpoint, AutoAdamW, got AutoAdam:"),
        (
            make(optimizer=partial(AutoBalance, optimizer=SGD)),
            make(optimizer=partial(AutoBalance, optimizer=AdamW)),
            "in the checkpoint, AutoBalance around SGD, got AutoBalance around AdamW",
        ),
        (
            make(scheduler=STEP),
            make(scheduler=DECAY),
            "`scheduler` .*, StepLR, stepped once per step, got ExponentialLR",
        ),
        (make(scheduler=STEP), make(), "`scheduler` .*, StepLR, stepped once per step, got none"),
        (make(), make(scheduler=STEP), "`scheduler` must be as in the checkpoint, none, got StepLR"),
        (
            make(scheduler=STEP),
            make(scheduler=STEP, scheduler_interval="epoch"),
            "`scheduler` .* once per step, got StepLR, stepped once per epoch",
        ),
        (make(balancer=DWA(), **PRE), make(balancer=ConFIG(), **PRE), "`balancer` .* DWA, got ConFIG"),
        (
            make(balancer=ConFIG(), **PRE),
            make(balancer=RandomWeights(), **PRE),
            "`balancer` .* ConFIG, got RandomWeights",
        ),
        (make(balancer=DWA(), **PRE), make(**PRE), "`balancer` must be as in the checkpoint, DWA, got nothing"),
        (make(variant=RBA()), make(), "`variant` must be as in the checkpoint, RBA, got MeanSquares"),
        (
            lambda: Decay(variant=Stack([GPINN(), RBA()])),
            lambda: Decay(variant=Stack([RBA(), GPINN()])),
            r"`variant\.variants\.0` must be as in the checkpoint, GPINN, got RBA",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:`balancer`")
def test_another_part_is_refused_by_name(one: Any, other: Any, message: str, tmp_path: Path) -> None:
    last = saved(tmp_path, one())
    with pytest.raises(MisconfigurationException, match=message) as refused:
        fit(other(), tmp_path, points(Decay()), max_steps=8, ckpt_path=last)
    assert len(str(refused.value).splitlines()) == 1
    fit(one(), tmp_path, points(Decay()), max_steps=8, ckpt_path=last)


@pytest.mark.parametrize("optimizer", [AutoAdamW, AdamW])
@pytest.mark.parametrize(
    ("before", "after"), [("", "net.0.weight"), ("net.0.weight", ""), ("net.0.bias", "net.2.bias")]
)
def test_other_frozen_layers_are_refused_by_name(optimizer: Any, before: str, after: str, tmp_path: Path) -> None:
    def frozen(name: str) -> Decay:
        module = Decay(optimizer=optimizer)
        if name:
            module.get_parameter(name).requires_grad_(False)
        return module

    path, name = saved(tmp_path, frozen(before)), min({before, after} - {""})
    with pytest.raises(MisconfigurationException, match=rf"`requires_grad` of {name} must be as in the checkpoint"):
        fit(frozen(after), tmp_path, max_steps=8, ckpt_path=path)


class Freezes(Callback):
    """Trains the first layer from the second epoch on only; the optimizer holds it always."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module.get_submodule("net.0").requires_grad_(trainer.current_epoch >= 1)


class Unfreezes(BaseFinetuning):
    def freeze_before_training(self, pl_module: LightningModule) -> None:
        self.freeze(pl_module.get_submodule("net.0"))

    def finetune_function(self, pl_module: LightningModule, epoch: int, optimizer: Any) -> None:
        if epoch == 1:
            self.unfreeze_and_add_param_group(pl_module.get_submodule("net.0"), optimizer, lr=1e-3)


@pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")
@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
@pytest.mark.parametrize("kind", [Freezes, Unfreezes])
def test_what_is_frozen_at_the_moment_stays_so(kind: Any, tmp_path: Path) -> None:
    def run(*callbacks: Callback, **options: Any) -> Decay:
        torch.manual_seed(0)
        module = Decay()
        fit(module, tmp_path, max_steps=12, callbacks=[kind(), *callbacks], **options)
        return module

    saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    whole = run(saves, enable_checkpointing=True)
    for step in (3, 5, 8):
        resumed = run(ckpt_path=tmp_path / f"step={step}.ckpt")
        assert all(torch.equal(p, q) for p, q in zip(whole.parameters(), resumed.parameters(), strict=True)), step


def test_a_group_that_a_callback_has_added_is_asked_for(tmp_path: Path) -> None:
    def add(trainer: Trainer, pl_module: LightningModule) -> None:
        layer = pl_module.get_submodule("net.0").requires_grad_()
        trainer.optimizers[0].add_param_group({"params": list(layer.parameters())})

    class Adds(Callback):
        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            if trainer.current_epoch == 1:
                add(trainer, pl_module)

    class AddsAtOnce(Callback):
        def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            add(trainer, pl_module)

    def frozen() -> Decay:
        module = Decay()
        module.net[0].requires_grad_(False)
        return module

    fit(frozen(), tmp_path, max_steps=7, callbacks=[Adds()]).save_checkpoint(tmp_path / "7.ckpt")
    with pytest.raises(MisconfigurationException, match=r"`param_groups` .* checkpoint, 2, got 1: .*`add_param_group`"):
        fit(frozen(), tmp_path, max_steps=9, callbacks=[Adds()], ckpt_path=tmp_path / "7.ckpt")
    fit(frozen(), tmp_path, max_steps=9, callbacks=[AddsAtOnce()], ckpt_path=tmp_path / "7.ckpt")


def test_other_draws_are_refused(tmp_path: Path) -> None:
    module = Decay()
    last = saved(tmp_path, module, data=points(module, resample_every=2))
    with pytest.raises(MisconfigurationException, match="`resample_every` must be as in the checkpoint, 2, got 0"):
        fit(Decay(), tmp_path, points(module), max_steps=8, ckpt_path=last)


def test_what_follows_the_checkpoint(tmp_path: Path) -> None:
    saved_as = partial(AutoAdamW, lr=2e-3, betas=(0.8, 0.9), weight_decay=0.1, eps=1e-6, combine="mean")
    last = saved(tmp_path, Decay(optimizer=saved_as, scheduler=partial(StepLR, step_size=5, gamma=0.5)))
    given = Decay(optimizer=partial(AutoAdamW, lr=0.1), scheduler=partial(StepLR, step_size=2, gamma=0.1))
    trainer = fit(given, tmp_path, max_steps=9, ckpt_path=last)
    (group,) = trainer.optimizers[0].param_groups
    found = [group[name] for name in ("lr", "betas", "weight_decay", "eps", "combine")]
    assert found == [1e-3, (0.8, 0.9), 0.1, 1e-6, "mean"]


def test_what_follows_the_new_run(tmp_path: Path) -> None:
    last = saved(tmp_path, Decay(balancer=ConFIG(), weights={"pde": 2.0}, gradient_clip_val=1.0, **PRE))
    trainer = fit(
        Decay(balancer=EqualWeights(), weights={"pde": 3.0}, steps_per_call=2, **PRE),
        tmp_path,
        max_steps=8,
        ckpt_path=last,
        precision="64-true",
    )
    module: Any = trainer.lightning_module
    assert (module.weights, module.gradient_clip_val, module.steps_per_call) == ({"pde": 3.0}, None, 2)
    assert type(module.balancer) is EqualWeights
    assert trainer.optimizers[0].state_dict()["state"][0]["exp_avg"].dtype == torch.float64
    assert trainer.global_step == 8


def test_a_checkpoint_of_an_older_version_has_no_record(tmp_path: Path) -> None:
    last = saved(tmp_path, Decay(net=mlp(), optimizer=partial(AutoAdamW, lr=2e-3), scheduler=STEP))
    checkpoint = torch.load(last, weights_only=True)
    del checkpoint[CHECKPOINT_KEY]["record"]
    torch.save(checkpoint, last)
    Decay.load_from_checkpoint(last)
    fit(Decay(scheduler=STEP), tmp_path, max_steps=8, ckpt_path=last)
    with pytest.raises(
        MisconfigurationException, match=r"`scheduler` must be as in the checkpoint, another one, got none"
    ):
        fit(Decay(), tmp_path, max_steps=8, ckpt_path=last)
    with pytest.raises(
        MisconfigurationException, match=r"`optimizer` must be .* one with a state per loss term, got AdamW"
    ):
        fit(Decay(optimizer=AdamW, scheduler=STEP), tmp_path, max_steps=8, ckpt_path=last)


@pytest.mark.parametrize("optimizer", [AutoAdamW, AdamW, SGD], ids=lambda kind: kind.__name__)
def test_a_spoiled_state_is_named_before_training(optimizer: Any, tmp_path: Path) -> None:
    made = partial(SGD, momentum=0.5, lr=1e-3) if optimizer is SGD else optimizer
    last = saved(tmp_path, Decay(optimizer=made))
    name = "momentum_buffer" if optimizer is SGD else "exp_avg_sq"
    for value, said in ((torch.full_like, "must be finite, got"), (None, r"must have the shape \(.*\), got \(7,\)")):
        checkpoint = torch.load(last, weights_only=True)
        state = checkpoint["optimizer_states"][0]["state"][2]
        state[name] = value(state[name], torch.nan) if value else torch.ones(7)
        torch.save(checkpoint, tmp_path / "spoiled.ckpt")
        with pytest.raises(
            MisconfigurationException, match=rf"`{name}` of net\.2\.weight in the optimizer's state {said}"
        ):
            fit(Decay(optimizer=made), tmp_path, max_steps=8, ckpt_path=tmp_path / "spoiled.ckpt")


def test_the_optimizer_of_ones_own_is_checked_too(tmp_path: Path) -> None:
    class Own(Decay):
        kind: Any = AdamW

        def configure_optimizers(self) -> Any:
            return self.kind(self.parameters(), lr=1e-3)

    last = saved(tmp_path, Own())
    Own.kind = SGD
    with pytest.raises(MisconfigurationException, match=r"`optimizer` must be as in the checkpoint, AdamW, got SGD"):
        fit(Own(), tmp_path, max_steps=8, ckpt_path=last)


# `load_from_checkpoint` -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"net": mlp("sin")}, r"`net\.1` .* Sin, got Tanh. Pass the one .*`load_from_checkpoint\(path, net=\.\.\.\)`"),
        ({"balancer": ConFIG(), **PRE}, r"`balancer` .* ConFIG, got nothing. .*\(path, balancer=\.\.\.\)"),
        ({"variant": RoPINN()}, "`variant` must be as in the checkpoint, RoPINN, got MeanSquares"),
    ],
)
def test_a_part_that_is_not_passed_again(given: Any, message: str, tmp_path: Path) -> None:
    last = saved(tmp_path, Decay(**given))
    with pytest.raises(MisconfigurationException, match=message):
        Decay.load_from_checkpoint(last)
    loaded = Decay.load_from_checkpoint(last, **{name: part for name, part in given.items() if name != "optimizer"})
    assert fit(loaded, tmp_path, max_steps=1).optimizers[0].__class__ is given.get("optimizer", AutoAdamW)


def test_numbers_come_back_as_they_were(tmp_path: Path) -> None:
    given: dict[str, Any] = {"weights": {"pde": np.float64(3)}, "gradient_clip_val": np.float64(0.5)}
    last = saved(tmp_path, Decay(optimizer=partial(AutoAdamW, lr=np.float64(0.05), eps=1e-7), **given))
    loaded = Decay.load_from_checkpoint(last)
    assert (loaded.weights, loaded.gradient_clip_val) == ({"pde": 3.0}, 0.5)
    trainer = fit(loaded, tmp_path, max_steps=1)
    assert [trainer.optimizers[0].param_groups[0][name] for name in ("lr", "eps")] == [0.05, 1e-7]
    other = Decay.load_from_checkpoint(last, optimizer=partial(SGD, lr=0.5))
    assert fit(other, tmp_path, max_steps=1).optimizers[0].param_groups[0]["lr"] == 0.5


def test_an_optimizer_or_schedule_that_cannot_be_made_again_is_asked_for(tmp_path: Path) -> None:
    wrapped = partial(AutoBalance, optimizer=SGD, lr=0.1)
    last = saved(tmp_path, Decay(optimizer=wrapped, scheduler=STEP))
    loaded = Decay.load_from_checkpoint(last)
    assert loaded(torch.zeros(1, 1)).shape == (1, 1)
    with pytest.raises(
        MisconfigurationException, match=r"`optimizer` must be given to train .* AutoBalance around SGD, got"
    ):
        fit(loaded, tmp_path, max_steps=1)
    loaded = Decay.load_from_checkpoint(last, optimizer=wrapped)
    with pytest.raises(
        MisconfigurationException, match=r"`scheduler` must be given to train .* StepLR, stepped once per"
    ):
        fit(loaded, tmp_path, max_steps=1)
    loaded.scheduler = None
    fit(loaded, tmp_path, max_steps=1)


class Source(Decay):
    """An argument that no checkpoint holds."""

    def __init__(self, source: Any = None, factor: float = 1.0, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.source, self.factor = source, factor
        self.save_hyperparameters(ignore=["net"])


def test_an_object_must_be_given_again(tmp_path: Path) -> None:
    last = saved(tmp_path, Source(torch.sin, np.float64(2)))
    with pytest.raises(MisconfigurationException, match=r"`source` must be given again, .*path, source=\.\.\."):
        Source.load_from_checkpoint(last)
    assert Source.load_from_checkpoint(last, source=torch.cos).factor == 2
    assert Source.load_from_checkpoint(last, source="sine").source == "sine"
    plain = saved(tmp_path / "plain", Source())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Source.load_from_checkpoint(plain)


# Variants that know the length of the run -----------------------------------------------------------------------------


def whole_and_resumed(variant: Any, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The weights after 12 steps of an uninterrupted run, and of one that was to end after 6."""
    found = []
    for stops in ((12,), (6, 12)):
        path = None
        for steps in stops:
            torch.manual_seed(0)
            trainer = fit(Decay(variant=variant()), folder, max_steps=steps, ckpt_path=path)
            path = folder / "length.ckpt"
            trainer.save_checkpoint(path)
        found.append(trainer.model.state_dict())  # type: ignore[union-attr]
    return found[0], found[1]


@pytest.mark.parametrize("make", [CoPINN, lambda: Stack([RBA(), CoPINN()])], ids=["alone", "in a stack"])
def test_a_longer_run_with_copinn_warns(make: Any, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="over the whole run, of 6 steps in the checkpoint and 12 now"):
        whole, resumed = whole_and_resumed(make, tmp_path)
    assert not torch.equal(whole["net.0.weight"], resumed["net.0.weight"])  # what the warning says


def test_with_iterations_copinn_may_run_longer(tmp_path: Path) -> None:
    whole, resumed = whole_and_resumed(partial(CoPINN, iterations=20), tmp_path)
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    assert torch.load(tmp_path / "length.ckpt", weights_only=True)[CHECKPOINT_KEY]["record"]["total_steps"] == 20


# Weights only ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [(8,), (4, 4)])
def test_a_file_of_weights_only_can_be_loaded_and_not_resumed(network: tuple[int, ...], tmp_path: Path) -> None:
    def made() -> Decay:
        return Decay(net=MLP(1, 1, list(network)))

    trained = fit(made(), tmp_path, max_steps=3)
    trained.save_checkpoint(tmp_path / "weights.ckpt", weights_only=True)
    with pytest.raises(
        MisconfigurationException, match=r"`ckpt_path` must hold the state of the optimizer .* got weights"
    ):
        fit(made(), tmp_path, max_steps=6, ckpt_path=tmp_path / "weights.ckpt")
    loaded = Decay.load_from_checkpoint(tmp_path / "weights.ckpt", net=MLP(1, 1, list(network)))
    states = trained.model.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(value, states[name]) for name, value in loaded.state_dict().items())
    errors = trained.validate(made(), points(made()), ckpt_path=tmp_path / "weights.ckpt", verbose=False)
    assert errors[0]["val/rel_l2"] > 0
