"""Checkpoints of another problem, variant or set of loss terms are refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from helpers.checks import with_residuals
from helpers.toys import Decay, fit, points, trainer
from lightning_autobalance.checks.checkpoint import check_checkpoint

KEY = "lightning_autobalance"
MODULE: dict[str, Any] = {
    "problem": "Decay",
    "variant": "RBA",
    "terms": ("pde", "boundary"),
    "state_names": ["net.weight", "net.bias"],
}


def checkpoint(**found: Any) -> dict[str, Any]:
    return {KEY: {"problem": "Decay", "variant": "RBA", "terms": ["pde", "boundary"], **found}}


@pytest.mark.parametrize(
    ("found", "module"),
    [
        (checkpoint(), {}),
        (checkpoint(), {"terms": ()}),  # not known yet
        (checkpoint(terms=[]), {}),
        ({KEY: {"problem": "Decay", "terms": ["pde", "boundary"]}}, {}),  # older checkpoints name no variant
        ({"state_dict": {"net.bias": 0, "net.weight": 0}}, {}),  # of a subclass that overrides `on_save_checkpoint`
    ],
)
def test_a_checkpoint_that_fits(found: dict[str, Any], module: dict[str, Any]) -> None:
    check_checkpoint(found, KEY, **MODULE | module)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (checkpoint(problem="Wave"), r"must come from `Decay`, got one of `Wave`. Load it with `Wave`, or start"),
        (checkpoint(variant="CWP"), r"`variant` must be as in the checkpoint, CWP, got RBA"),
        (checkpoint(terms=["pde"]), r"loss terms \['pde', 'boundary'\], got \['pde'\]"),
        (checkpoint(terms=["boundary", "pde"]), r"loss terms \['pde', 'boundary'\], got \['boundary', 'pde'\]"),
        ({"state_dict": {"net.weight": 0}}, r"must come from a `PINNModule`, this one does not \(Decay\)"),
        ({}, "must come from a `PINNModule`"),
    ],
)
def test_a_checkpoint_that_does_not_fit(found: dict[str, Any], message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        check_checkpoint(found, KEY, **MODULE)


def test_checkpoint_of_another_problem_and_other_terms(tmp_path: Path) -> None:
    trainer = fit(Decay(), tmp_path, max_steps=1)
    trainer.save_checkpoint(tmp_path / "decay.ckpt")

    class Other(Decay):
        pass

    with pytest.raises(MisconfigurationException, match=r"must come from `.*Other`, got one of `Decay`"):
        fit(Other(), tmp_path, points(Decay()), max_steps=2, ckpt_path=tmp_path / "decay.ckpt")

    one = with_residuals(lambda self, p, r: {"pde": r["pde"]})
    type(one).__qualname__ = "Decay"
    with pytest.raises(MisconfigurationException, match=r"loss terms \['pde'\], got \['pde', 'boundary'\]"):
        fit(one, tmp_path, points(Decay()), max_steps=2, ckpt_path=tmp_path / "decay.ckpt")


def test_checkpoint_of_something_else(tmp_path: Path) -> None:
    from lightning.pytorch.demos.boring_classes import BoringModel

    other = trainer(tmp_path, max_steps=1, limit_val_batches=0)
    with pytest.warns():
        other.fit(BoringModel())
    other.save_checkpoint(tmp_path / "boring.ckpt")
    module = Decay()
    before = [p.clone() for p in module.parameters()]
    with pytest.raises(MisconfigurationException, match="must come from a `PINNModule`"):
        fit(module, tmp_path, max_steps=2, ckpt_path=tmp_path / "boring.ckpt")
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
