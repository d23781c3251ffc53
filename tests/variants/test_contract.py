"""What holds for every variant."""

import copy
import pickle
from collections.abc import Callable, Mapping
from inspect import isabstract
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from helpers.toys import fit
from helpers.waves import MAKE, Wave
from lightning_autobalance import variants
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.variants import (
    CWP,
    RAD,
    RAR,
    RBA,
    CoPINN,
    GrowingTime,
    MeanSquares,
    RoPINN,
    Stack,
    Variant,
)

PLAIN: dict[str, Callable[[], Variant]] = {
    "GrowingTime": lambda: GrowingTime(start=1.0),  # settings with which each is the plain PINN
    "RBA": lambda: RBA(eta=0.0, gamma=1.0, start=1.0),
    "CWP": lambda: CWP(eta=0.0, resample_every=0),
    "RoPINN": lambda: RoPINN(radius=0.0),
    "RAD": lambda: RAD(interval=1000),
    "RAR": lambda: RAR(interval=1000),
    "Stack": lambda: Stack([MeanSquares(), RoPINN(radius=0.0)]),
}
ABSTRACT = {"Variant", "PartVariant", "PointWeights"}
every = pytest.mark.parametrize("name", MAKE)


def points(**options: Any) -> CollocationPoints:
    counts = {"interior": 24, "boundary": 6, "initial": 5}
    return CollocationPoints(counts, **{"seed": 0, "eval_points": 100, "steps_per_epoch": 4, **options})


def module(variant: Variant, optimizer: Any = AutoAdamW) -> Wave:
    torch.manual_seed(0)
    return Wave(variant=variant, optimizer=optimizer, check_exact=False)


def test_the_list_is_complete() -> None:
    named = {name for name in variants.__all__ if isinstance(getattr(variants, name), type)}
    kinds = {name for name in named if issubclass(getattr(variants, name), Variant)}
    assert kinds - ABSTRACT == MAKE.keys()


def test_a_base_cannot_be_used() -> None:
    assert isabstract(variants.PointWeights)


@every
@pytest.mark.parametrize("optimizer", [AutoAdamW, torch.optim.AdamW])
def test_it_trains(name: str, optimizer: Any, tmp_path: Path) -> None:
    trained = module(MAKE[name](), optimizer)
    before = [p.detach().clone() for p in trained.parameters()]
    trainer = fit(trained, tmp_path, points(), max_steps=8, log_every_n_steps=3)
    assert trainer.global_step == 8
    moved = [not torch.equal(a, b) for a, b in zip(before, trained.parameters(), strict=True)]
    assert sum(moved) >= len(moved) - 1
    assert trained.latest.keys() >= {"loss/pde", "loss/second", "loss/edge"}
    assert all(torch.isfinite(torch.tensor(v)) for v in trained.latest.values())
    assert set(trained.terms) >= {"pde", "second", "edge"}


@every
def test_a_resumed_run_is_the_uninterrupted_one(name: str, tmp_path: Path) -> None:
    whole, part, rest = (module(MAKE[name]()) for _ in range(3))
    whole_trainer = fit(whole, tmp_path, points(), max_steps=10)
    first = fit(part, tmp_path, points(), max_steps=10, callbacks=[stop_after(5)])
    path = tmp_path / "part.ckpt"
    first.save_checkpoint(path)
    assert first.global_step == 5
    second = fit(rest, tmp_path, points(), max_steps=10, ckpt_path=path)
    assert second.global_step == whole_trainer.global_step == 10
    for (key, a), (_, b) in zip(whole.state_dict().items(), rest.state_dict().items(), strict=True):
        assert a == b if isinstance(a, dict) else torch.equal(a, b), key


def stop_after(step: int) -> Any:
    from lightning.pytorch import Callback

    class Stop(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            trainer.should_stop = trainer.global_step >= step

    return Stop()


@every
def test_outside_training_nothing_changes(name: str, tmp_path: Path) -> None:
    trained, data = module(MAKE[name]()), points()
    trainer = fit(trained, tmp_path, data, max_steps=4)
    before = copy.deepcopy(trained.variant.state_dict())
    same = data.draw(trained.domain, 0)
    first, second = trained.losses(same), trained.losses(same)
    assert trainer.global_step == 4
    for term in first:
        assert torch.equal(first[term], second[term])
    for key, value in trained.variant.state_dict().items():
        assert value == before[key] if isinstance(value, dict) else torch.equal(value, before[key])


@every
def test_a_checkpoint_gives_the_same_losses_without_a_trainer(name: str, tmp_path: Path) -> None:
    trained, data = module(MAKE[name]()), points()
    fit(trained, tmp_path, data, max_steps=8).save_checkpoint(tmp_path / "a.ckpt")
    loaded = Wave.load_from_checkpoint(tmp_path / "a.ckpt", variant=MAKE[name](), weights_only=True)
    same = data.draw(trained.domain, 0)
    for term, loss in trained.losses(same).items():
        assert torch.equal(loss, loaded.losses(same)[term])


@every
def test_terms_elsewhere_are_left_alone(name: str, tmp_path: Path) -> None:
    trained, data = module(MAKE[name]()), points()
    fit(trained, tmp_path, data, max_steps=4)
    same = data.draw(trained.domain, 0)
    at = trained.variant.place(same) if name == "GrowingTime" else same  # which moves the points of all parts
    plain = MeanSquares()(at, trained.residuals(at))
    torch.testing.assert_close(trained.losses(same)["edge"], plain["edge"])


@pytest.mark.parametrize("name", PLAIN)
def test_without_effect_it_is_the_plain_pinn(name: str, tmp_path: Path) -> None:
    plain, variant = module(MeanSquares()), module(PLAIN[name]())
    for each in (plain, variant):
        fit(each, tmp_path, points(), max_steps=6)
    for a, b in zip(plain.net.parameters(), variant.net.parameters(), strict=True):
        assert torch.equal(a, b)


@every
def test_with_effect_it_is_not(name: str, tmp_path: Path) -> None:
    plain, variant = module(MeanSquares()), module(MAKE[name]())
    for each in (plain, variant):
        fit(each, tmp_path, points(), max_steps=6)
    same = [torch.equal(a, b) for a, b in zip(plain.net.parameters(), variant.net.parameters(), strict=True)]
    assert all(same) == (name == "MeanSquares")


@every
def test_it_survives_copies(name: str, tmp_path: Path) -> None:
    trained, data = module(MAKE[name]()), points()
    fit(trained, tmp_path, data, max_steps=4)
    placed = trained.variant.place(data.draw(trained.domain, 0))
    losses = trained.variant(placed, trained.residuals(placed))
    for copied in (copy.deepcopy(trained.variant), pickle.loads(pickle.dumps(trained.variant))):
        assert type(copied) is type(trained.variant)
        same = copied(placed, trained.residuals(placed))
        assert {term: loss.item() for term, loss in same.items()} == {term: x.item() for term, x in losses.items()}
        for (key, a), b in zip(trained.variant.state_dict().items(), copied.state_dict().values(), strict=True):
            assert a == b if isinstance(a, dict) else torch.equal(a, b), key


@every
def test_it_trains_in_float64(name: str, tmp_path: Path) -> None:
    trained = module(MAKE[name]())
    fit(trained, tmp_path, points(), max_steps=4, precision="64-true")
    assert next(trained.parameters()).dtype == torch.float64


@pytest.mark.parametrize("name", [name for name in MAKE if name != "MeanSquares"])
def test_a_module_with_only_losses_is_refused(name: str, tmp_path: Path) -> None:
    class OwnLosses(Wave):
        def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {term: r.square().mean() for term, r in self.residuals(points).items()}

    with pytest.raises(MisconfigurationException, match=f"`variant` must be left out where .* only losses, got {name}"):
        fit(OwnLosses(variant=MAKE[name]()), tmp_path, points(), max_steps=1)


class OwnData(LightningDataModule):
    """Somebody's own, which the checks before training do not see."""

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader([{"interior": torch.rand(6, 2), "boundary": torch.rand(4, 2)}], batch_size=None)


@pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`")
def test_only_losses_are_refused_with_data_of_ones_own_too(tmp_path: Path) -> None:
    class OwnLosses(Wave):
        def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {**super().losses(points), "size": sum(p.square().sum() for p in self.parameters())}

    with pytest.raises(MisconfigurationException, match=r"`variant` must be left out where .* only losses, got RBA"):
        fit(OwnLosses(variant=MAKE["RBA"](), check_exact=False), tmp_path, OwnData(), max_steps=1, limit_val_batches=0)


@pytest.mark.parametrize("name", ["RBA", "CWP", "SAPINN", "RAD", "RAR"])
def test_points_drawn_anew_are_refused_before_the_first_step(name: str, tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"`data.resample_every` must be 0 with"):
        fit(module(MAKE[name]()), tmp_path, points(resample_every=2), max_steps=4)


@pytest.mark.parametrize("name", ["GPINN", "RoPINN", "CoPINN", "Causal"])
def test_the_others_take_points_drawn_anew(name: str, tmp_path: Path) -> None:
    assert fit(module(MAKE[name]()), tmp_path, points(resample_every=2), max_steps=4).global_step == 4


def test_another_variants_checkpoint_is_refused(tmp_path: Path) -> None:
    trainer = fit(module(RBA()), tmp_path, points(), max_steps=2)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    with pytest.raises(MisconfigurationException, match="`variant` must be as in the checkpoint, RBA, got CoPINN"):
        fit(module(CoPINN()), tmp_path, points(), max_steps=4, ckpt_path=tmp_path / "a.ckpt")
