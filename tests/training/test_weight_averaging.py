"""EMA and SWA beside balancers and variants that have a state: only the network is averaged."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, StochasticWeightAveraging, WeightAveraging
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import StepLR

from helpers.toys import Decay, fit
from lightning_autobalance.balancing import DBMTL, DWA, NTK, GradNorm, MConFIG, ReLoBRaLo
from lightning_autobalance.module import PINNModule
from lightning_autobalance.training import distributed_state
from lightning_autobalance.variants import CWP, RAD, RBA, SAPINN, RoPINN

PARTS = {
    **{kind.__name__: ("balancer", kind) for kind in (DBMTL, DWA, GradNorm, MConFIG, NTK, ReLoBRaLo)},
    **{kind.__name__: ("variant", kind) for kind in (CWP, RAD, RBA, RoPINN, SAPINN)},
}


class Weights(Callback):
    """Keeps the trained weights after every step."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.seen.append(weights(pl_module))


def weights(module: LightningModule) -> Tensor:
    net: Any = module.net
    return torch.cat([p.detach().clone().flatten() for p in net.parameters()])


def module(part: str) -> PINNModule:
    torch.manual_seed(0)
    name, kind = PARTS[part]
    options: dict[str, Any] = {name: kind()}
    return Decay(**options, optimizer=Adam) if name == "balancer" else Decay(**options)


@pytest.mark.parametrize(("part", "decay"), [*((part, 0.9) for part in PARTS), ("NTK", 0.5), ("RBA", 0.999)])
def test_the_network_is_averaged_and_the_state_is_the_runs(part: str, decay: float, tmp_path: Path) -> None:
    plain, averaged, seen = module(part), module(part), Weights()
    fit(plain, tmp_path, max_steps=12, callbacks=[seen])
    fit(averaged, tmp_path, max_steps=12, callbacks=[EMAWeightAveraging(decay=decay)])
    expected = seen.seen[0]
    for each in seen.seen[1:]:
        expected = torch.lerp(expected, each, 1 - decay)
    assert torch.allclose(weights(averaged), expected, atol=1e-7)
    for name, buffer in plain.named_buffers():
        if not name.startswith("net."):
            assert torch.equal(averaged.get_buffer(name), buffer), name


def halve(averaged: Any, current: Any, count: Any) -> None:
    assert all(one.data_ptr() != other.data_ptr() for one, other in zip(averaged, current, strict=True))
    for one, other in zip(averaged, current, strict=True):
        one.lerp_(other, 0.5)


@pytest.mark.parametrize(
    "how", [{}, {"multi_avg_fn": halve}, {"use_buffers": False}], ids=["default", "own function", "no buffers"]
)
@pytest.mark.parametrize("part", ["SAPINN", "GradNorm"])
def test_no_average_touches_the_state(part: str, how: Any, tmp_path: Path) -> None:
    plain, averaged = module(part), module(part)
    fit(plain, tmp_path, max_steps=7)
    fit(averaged, tmp_path, max_steps=7, callbacks=[WeightAveraging(**how)])
    assert not torch.equal(weights(plain), weights(averaged))
    state = {**dict(plain.named_buffers()), **dict(plain.named_parameters())}
    found = {**dict(averaged.named_buffers()), **dict(averaged.named_parameters())}
    assert all(torch.equal(found[name], value) for name, value in state.items() if not name.startswith("net."))


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
@pytest.mark.filterwarnings("ignore:Checkpoint directory")
@pytest.mark.parametrize("saved", ["last.ckpt", "after.ckpt"])
def test_a_finished_run_with_an_average_goes_on_from_what_was_trained(saved: str, tmp_path: Path) -> None:
    def run(steps: int, *callbacks: Callback, **options: Any) -> tuple[PINNModule, Trainer]:
        trained = module("RBA")
        given = [EMAWeightAveraging(decay=0.9), *callbacks]
        return trained, fit(trained, tmp_path, max_steps=steps, callbacks=given, check_val_every_n_epoch=5, **options)

    whole, _ = run(12)
    _, trainer = run(7, ModelCheckpoint(tmp_path, save_last=True), enable_checkpointing=True)
    trainer.save_checkpoint(tmp_path / "after.ckpt")
    checkpoint = torch.load(tmp_path / saved, weights_only=True)
    assert not torch.equal(checkpoint["state_dict"]["net.2.weight"], checkpoint["current_model_state"]["net.2.weight"])
    assert torch.equal(checkpoint["state_dict"]["net.2.weight"], trainer.lightning_module.state_dict()["net.2.weight"])
    resumed, _ = run(12, ckpt_path=tmp_path / saved)
    assert torch.equal(weights(whole), weights(resumed))


@pytest.mark.parametrize("part", ["MConFIG", "RBA", "RAD"])
def test_an_average_resumes_exactly(part: str, tmp_path: Path) -> None:
    def run(steps: int, **options: Any) -> PINNModule:
        trained = module(part)
        trainer = fit(trained, tmp_path, max_steps=steps, callbacks=[EMAWeightAveraging(decay=0.5)], **options)
        trainer.save_checkpoint(tmp_path / f"{steps}.ckpt")
        return trained

    class Saves(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
            if trainer.global_step == 7:
                trainer.save_checkpoint(tmp_path / "7.ckpt")

    whole = module(part)
    fit(whole, tmp_path, max_steps=12, callbacks=[EMAWeightAveraging(decay=0.5), Saves()])
    resumed = run(12, ckpt_path=tmp_path / "7.ckpt")
    assert torch.equal(weights(whole), weights(resumed))
    for name, buffer in whole.named_buffers():
        assert torch.equal(resumed.get_buffer(name), buffer), name


@pytest.mark.parametrize("part", ["DBMTL", "RBA"])
def test_swa_averages_the_network(part: str, tmp_path: Path) -> None:
    trained = module(part)
    fit(trained, tmp_path, max_epochs=4, max_steps=-1, callbacks=[StochasticWeightAveraging(1e-3, 0.5, 1)])
    assert torch.isfinite(weights(trained)).all()


def test_the_rows_of_all_processes_are_saved_of_both_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = fit(module("RAD"), tmp_path, max_steps=3, callbacks=[EMAWeightAveraging(decay=0.9)])
    monkeypatch.setattr(distributed_state, "gather_rows", lambda x, axis: torch.cat([x, x], dim=axis))
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    monkeypatch.undo()
    checkpoint = torch.load(tmp_path / "two.ckpt", weights_only=True)
    for model in ("state_dict", "current_model_state"):
        assert checkpoint[model]["variant.current"].shape == (32, 1)
    monkeypatch.setattr(distributed_state, "own_rows", lambda x, axis: x.narrow(axis, 0, x.shape[axis] // 2))
    resumed = fit(
        module("RAD"), tmp_path, max_steps=6, callbacks=[EMAWeightAveraging(decay=0.9)], ckpt_path=tmp_path / "two.ckpt"
    )
    assert resumed.lightning_module.variant.current.shape == (16, 1)


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
def test_an_average_that_is_left_out_on_resume_is_missed(tmp_path: Path) -> None:
    with_average = fit(Decay(), tmp_path, max_steps=6, callbacks=[EMAWeightAveraging(decay=0.5)])
    with_average.save_checkpoint(tmp_path / "6.ckpt")
    with pytest.warns(UserWarning, match="goes on from the averaged weights, with the optimizer's state"):
        fit(Decay(), tmp_path, max_steps=9, ckpt_path=tmp_path / "6.ckpt")


def swa() -> StochasticWeightAveraging:
    return StochasticWeightAveraging(1e-2, 2, 3, annealing_strategy="linear")


@pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")
@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
@pytest.mark.parametrize("scheduler", [None, partial(StepLR, step_size=2)], ids=["alone", "after a schedule"])
def test_swa_resumes_exactly(scheduler: Any, tmp_path: Path) -> None:
    def run(*callbacks: Callback, **options: Any) -> PINNModule:
        torch.manual_seed(0)
        trained = Decay(scheduler=scheduler, scheduler_interval="epoch")
        fit(trained, tmp_path, max_epochs=6, max_steps=-1, callbacks=list(callbacks), **options)
        return trained

    saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    whole = run(swa(), saves, enable_checkpointing=True)
    for step in (5, 8, 10, 12, 20, 28):  # it starts at 10
        resumed = run(swa(), ckpt_path=tmp_path / f"step={step}.ckpt")
        assert torch.equal(weights(whole), weights(resumed)), step
    with pytest.raises(MisconfigurationException, match="`callbacks` must have StochasticWeightAveraging as in the"):
        run(ckpt_path=tmp_path / "step=12.ckpt")
