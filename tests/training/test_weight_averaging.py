"""EMA and SWA beside balancers and variants that have a state: only the network is averaged."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging, StochasticWeightAveraging
from torch import Tensor
from torch.optim import Adam

from helpers.toys import Decay, fit
from lightning_autobalance.balancing import DBMTL, DWA, NTK, GradNorm, MConFIG, ReLoBRaLo
from lightning_autobalance.module import PINNModule
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


@pytest.mark.parametrize("part", PARTS)
def test_the_network_is_averaged_and_the_state_is_the_runs(part: str, tmp_path: Path) -> None:
    plain, averaged, seen = module(part), module(part), Weights()
    fit(plain, tmp_path, max_steps=12, callbacks=[seen])
    fit(averaged, tmp_path, max_steps=12, callbacks=[EMAWeightAveraging(decay=0.5)])
    expected = seen.seen[0]
    for each in seen.seen[1:]:
        expected = torch.lerp(expected, each, 0.5)
    assert torch.allclose(weights(averaged), expected, atol=1e-7)
    for name, buffer in plain.named_buffers():
        if not name.startswith("net."):
            assert torch.equal(averaged.get_buffer(name), buffer), name


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
