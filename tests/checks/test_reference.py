"""Early errors of a reference, and a word where it is another one than before a resume."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from helpers.toys import Decay, fit, points, trainer
from lightning_autobalance.callbacks import FitSummary
from lightning_autobalance.callbacks.evidence import gather_evidence
from lightning_autobalance.checks import check_reference, tell_of_another_reference
from lightning_autobalance.cli.lightning_cli import run
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Interval, Reference

X = np.linspace(0, 1, 30)
U = np.exp(-X)


class NoExact(Decay):
    """Known only at points."""

    exact = PINNModule.exact


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.savez(tmp_path / "decay.npz", x=X, u=U)
    return tmp_path / "decay.npz"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": X}, r"found none named 'u' among \['x'\]"),
        ({"x": X, "U": U}, "found none named 'u'"),
        ({"x": X, "u": U[:-1]}, r"same length, got \{'x': 30, 'u': 29\}"),
        ({"x": X, "u": U.astype(str)}, "column 'u' must be numbers"),
        ({"x": X, "u": np.where(X > 0.5, np.inf, U)}, "column 'u' must be finite, .* got inf in row 16"),
        ({"x": X[:0], "u": U[:0]}, "at least one row"),
        ({"x": 1000 * X, "u": U}, r"points in the domain, x in \[0, 1\], got \[0, 1000\]: 29 of 30"),
        ({"x": X, "u": np.nan * U}, "all whose rows lack a number"),
    ],
)
def test_a_bad_file_is_an_early_error_of_every_command(columns: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", **columns)
    for command in ("fit", "validate", "test"):
        module = NoExact(reference={"file": str(tmp_path / "bad.npz")})
        with pytest.raises(MisconfigurationException, match=message):
            getattr(trainer(tmp_path, max_steps=1), command)(module, datamodule=points(module))


def test_a_missing_file_names_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MisconfigurationException, match=rf"'none.npz': relative paths start from .*{tmp_path.name}"):
        check_reference(Reference({"file": "none.npz"}, Decay.domain, ("u",)))


def test_metrics_are_at_the_points_of_the_reference(file: Path, tmp_path: Path) -> None:
    module = NoExact(reference={"file": file})
    data = points(module, eval_batch_size=7)
    runs = trainer(tmp_path)
    for command, key in (("validate", "val"), ("test", "test")):
        (found,) = getattr(runs, command)(module, data, verbose=False)
        with torch.no_grad():
            error = module(torch.tensor(X, dtype=torch.float32)[:, None])[:, 0].double().numpy() - U
        assert found[f"{key}/rel_l2"] == pytest.approx(np.linalg.norm(error) / np.linalg.norm(U), rel=1e-5)
        assert found[f"{key}/mse"] == pytest.approx((error**2).mean(), rel=1e-5)
        assert found[f"{key}/linf"] == pytest.approx(abs(error).max(), rel=1e-5)


def test_a_reference_takes_the_place_of_exact(tmp_path: Path) -> None:
    module = Decay(reference=(X[:, None], 2 * U))  # twice the exact solution, which is still checked
    (found,) = trainer(tmp_path).validate(module, points(module), verbose=False)
    with torch.no_grad():
        error = module(torch.tensor(X, dtype=torch.float32)[:, None])[:, 0].double().numpy() - 2 * U
    assert found["val/rel_l2"] == pytest.approx(np.linalg.norm(error) / np.linalg.norm(2 * U), rel=1e-5)


class TwoFields(PINNModule):
    """u and v = 2u on [0, 1]."""

    domain = Interval(0.0, 1.0)
    fields = ("u", "v")

    def residuals(self, points: Any) -> dict[str, Tensor]:
        w = self(points["interior"])
        return {"pde": w - torch.cat([torch.exp(-points["interior"])] * 2, dim=1)}


def test_each_field_has_its_error_and_one_may_be_missing(tmp_path: Path) -> None:
    both = np.stack([U, 2 * U], axis=1)
    for given, keys in ((both, {"val/rel_l2/u", "val/rel_l2/v"}), ({"v": 2 * U}, set())):
        module = TwoFields(reference=(X[:, None], given))
        (found,) = trainer(tmp_path).validate(module, _data(), verbose=False)
        assert set(found) == {"val/mse", "val/linf", "val/rel_l2", *keys}
        with torch.no_grad():
            fields = module(torch.tensor(X, dtype=torch.float32)[:, None]).double().numpy()
        v = np.linalg.norm(fields[:, 1] - 2 * U) / np.linalg.norm(2 * U)
        assert found["val/rel_l2/v" if keys else "val/rel_l2"] == pytest.approx(v, rel=1e-5)


def _data() -> CollocationPoints:
    return CollocationPoints({"interior": 16}, seed=0, eval_points=100, steps_per_epoch=5)


def test_summary_and_diagnosis_know_the_reference(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = NoExact(reference={"file": str(file)})
    done = fit(module, tmp_path, max_steps=5, callbacks=[FitSummary()])
    assert "val/rel_l2" in (shown := capsys.readouterr().out)
    assert "30 points" in shown
    evidence = gather_evidence(done, module)
    assert evidence.exact_size == pytest.approx(np.sqrt((U**2).mean()))
    assert evidence.rel_l2 == pytest.approx(done.callback_metrics["val/rel_l2"].item())


def test_a_checkpoint_loads_without_the_file_and_trains_on_only_with_it(file: Path, tmp_path: Path) -> None:
    module = NoExact(reference={"file": str(file)})
    fit(module, tmp_path, max_steps=5).save_checkpoint(tmp_path / "run.ckpt")
    file.unlink()
    loaded = NoExact.load_from_checkpoint(tmp_path / "run.ckpt")
    assert loaded.reference is not None
    assert loaded.reference.source == str(file)
    assert torch.equal(loaded(torch.ones(1, 1)), module(torch.ones(1, 1)))
    with pytest.raises(MisconfigurationException, match="found none at"):
        fit(loaded, tmp_path, max_steps=6)


def test_arrays_need_not_be_given_again(tmp_path: Path) -> None:
    module = NoExact(reference=(X[:, None], U))
    fit(module, tmp_path, max_steps=2).save_checkpoint(tmp_path / "run.ckpt")
    assert NoExact.load_from_checkpoint(tmp_path / "run.ckpt").reference is None


def test_a_resumed_run_tells_of_another_reference_and_trains_the_same(file: Path, tmp_path: Path) -> None:
    whole, first = (NoExact(reference={"file": str(file)}) for _ in range(2))
    whole.load_state_dict(first.state_dict())
    fit(whole, tmp_path, max_steps=10)
    fit(first, tmp_path, max_steps=5).save_checkpoint(tmp_path / "half.ckpt")
    np.savez(file, x=X, u=U + 1e-3)
    again = NoExact(reference={"file": str(file)})
    with pytest.warns(
        UserWarning, match=r"`reference` is not that of the checkpoint, .*decay.npz .* cannot be compared"
    ):
        fit(again, tmp_path, max_steps=10, ckpt_path=tmp_path / "half.ckpt")
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    np.savez(file, x=X, u=U)
    fit(NoExact(reference={"file": str(file)}), tmp_path, max_steps=10, ckpt_path=tmp_path / "half.ckpt")  # no word


def test_the_word_is_said_only_where_both_are_known(file: Path) -> None:
    reference = Reference({"file": str(file)}, Decay.domain, ("u",))
    saved = {"reference": {"source": "other.npz", "fingerprint": "0"}}
    tell_of_another_reference(reference, saved)  # not read
    tell_of_another_reference(None, {})  # an older checkpoint
    check_reference(reference)
    with pytest.warns(UserWarning, match=r"other.npz \(0\), but none"):
        tell_of_another_reference(None, saved)
    with pytest.warns(UserWarning, match="of the checkpoint, none, but"):
        tell_of_another_reference(reference, {"reference": None})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tell_of_another_reference(reference, {"reference": {"source": "moved", "fingerprint": reference.fingerprint}})


def test_from_the_command_line(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["--model=ReactionDiffusion1D", "--trainer.logger=false", "--trainer.accelerator=cpu"]
    np.savez("known.npz", x=[0.0, 1.0, 2.0], t=[0.1, 0.2, 0.3], second=[1.0, 2.0, 3.0])
    given = ["--model.reference={file: known.npz}", "--model.reference.targets={u: second}"]
    counts = ["--data.points={interior: 8, boundary: 4, initial: 4}", "--trainer.enable_progress_bar=false"]
    cli = run(["validate", *line, *given, *counts])
    assert cli.model.reference.values[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert cli.trainer.callback_metrics["val/rel_l2"] > 0
