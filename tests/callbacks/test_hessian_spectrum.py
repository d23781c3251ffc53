"""The callback looks at chosen steps, keeps its curve on resume, and leaves training as it is."""

from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from helpers.toys import Decay, fit, points, trainer
from lightning_autobalance import HessianSpectrum
from lightning_autobalance.callbacks.hessian_spectrum import summarize
from lightning_autobalance.callbacks.term_spectra import SUM, term_spectra
from lightning_autobalance.jacobian import effective_condition_number


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take most of the time."""
    monkeypatch.setattr("lightning_autobalance.callbacks.hessian_spectrum.save_figure", lambda *args: None)


def module(**options: Any) -> Decay:
    torch.manual_seed(0)
    return Decay(**options)


def test_files_numbers_and_figures(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    callback, decay = HessianSpectrum(steps=[7, 0]), module()
    fit(decay, tmp_path, max_steps=9, logger=TensorBoardLogger(tmp_path, name="", version=""), callbacks=[callback])
    assert list(callback.history) == [0, 7]
    assert not any("autobalance" in key for key in callback.history[0])  # no preconditioner before the first step
    names = [f"spectrum_step{step}.{kind}" for step in (0, 7) for kind in ("npz", "png")]
    assert sorted(f.name for f in (tmp_path / "hessian").iterdir()) == names
    assert matplotlib.image.imread(tmp_path / "hessian" / "spectrum_step7.png").std() > 0.05
    saved = np.load(tmp_path / "hessian" / "spectrum_step7.npz")
    values = saved["autobalance/boundary/eigenvalues"]
    assert values.shape == saved["autobalance/boundary/weights"].shape == (sum(p.numel() for p in decay.parameters()),)
    assert values[-1] == callback.history[7]["hessian/autobalance/boundary/lambda_max"]
    events = EventAccumulator(str(tmp_path)).Reload()
    logged = {event.step: event.value for event in events.Scalars(f"hessian/autobalance/{SUM}/condition")}
    assert list(logged) == [7]
    assert logged[7] == pytest.approx(callback.history[7][f"hessian/autobalance/{SUM}/condition"], rel=1e-6)
    assert {image.step for image in events.Images("hessian/spectrum")} == {0, 7}


@pytest.mark.usefixtures("no_pictures")
def test_the_numbers_are_those_of_the_state_and_points_of_the_step(tmp_path: Path) -> None:
    callback, decay, data = HessianSpectrum(steps=[4]), module(), points(Decay(), resample_every=2)
    run = fit(decay, tmp_path, data, max_steps=4, callbacks=[callback])
    expected = summarize(term_spectra(decay, data.points_at(3), run.optimizers[0]))
    assert callback.history == {4: expected}


def test_the_numbers_by_kind_and_term() -> None:
    own = {"interior": torch.rand(8, 1), "boundary": torch.tensor([[0.0], [1.0]])}
    spectra = term_spectra(module(), own)
    found = summarize(spectra, 0.5)
    assert len(found) == 9
    assert found["hessian/plain/pde/lambda_min"] == float(spectra["plain"]["pde"].eigenvalues.min())
    assert found["hessian/plain/pde/condition"] == effective_condition_number(spectra["plain"]["pde"], 0.5)


@pytest.mark.usefixtures("no_pictures")
def test_start_and_end_by_default_and_epochs(tmp_path: Path) -> None:
    found = [HessianSpectrum(), HessianSpectrum(steps=[], every_n_epochs=2), HessianSpectrum(every_n_epochs=2)]
    for callback in found:
        fit(module(), tmp_path, max_steps=12, callbacks=[callback])
    assert [list(callback.history) for callback in found] == [[0, 12], [10], [0, 10, 12]]


@pytest.mark.usefixtures("no_pictures")
def test_a_call_of_several_steps_ends_at_a_chosen_step(tmp_path: Path) -> None:
    callback = HessianSpectrum(steps=[2, 4])
    fit(module(steps_per_call=3), tmp_path, points(Decay(), steps_per_epoch=9), max_steps=8, callbacks=[callback])
    assert list(callback.history) == [2, 4]


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("optimizer", [None, torch.optim.Adam])
def test_training_is_the_same_to_the_last_bit(optimizer: Any, tmp_path: Path) -> None:
    states = []
    for callbacks in ([], [HessianSpectrum(steps=[0, 1, 6])], [HessianSpectrum([4], exact_up_to=0)]):
        decay = module(optimizer=optimizer)
        run = fit(decay, tmp_path, max_steps=10, callbacks=callbacks)
        moments = [state["exp_avg_sq"] for state in run.optimizers[0].state.values()]
        states.append([*decay.state_dict().values(), *moments, torch.get_rng_state()])
    for other in states[1:]:
        assert all(torch.equal(a, b) for a, b in zip(states[0], other, strict=True))


@pytest.mark.usefixtures("no_pictures")
def test_a_resumed_run_goes_on_with_the_curve(tmp_path: Path) -> None:
    def train(folder: str, steps: int, **options: Any) -> dict[int, dict[str, float]]:
        callback = HessianSpectrum(steps=[0, 4, 7, 11])
        keep = ModelCheckpoint(tmp_path / folder, save_last=True)
        callbacks = [callback, keep]
        fit(module(), tmp_path, max_steps=steps, callbacks=callbacks, enable_checkpointing=True, **options)
        return callback.history

    whole = train("whole", 12)
    train("part", 7)
    resumed = train("part", 12, ckpt_path=tmp_path / "part" / "last.ckpt")
    assert list(whole) == [0, 4, 7, 11]
    assert whole == resumed
    torch.load(tmp_path / "part" / "last.ckpt", weights_only=True)


@pytest.mark.usefixtures("no_pictures")
def test_resuming_a_run_that_had_no_such_callback(tmp_path: Path) -> None:
    keep = ModelCheckpoint(tmp_path, save_last=True)
    fit(module(), tmp_path, max_steps=5, callbacks=[keep], enable_checkpointing=True)
    callback = HessianSpectrum(steps=[0, 3, 8])
    options: dict[str, Any] = {"enable_checkpointing": True, "ckpt_path": tmp_path / "last.ckpt"}
    fit(module(), tmp_path, max_steps=9, callbacks=[callback, ModelCheckpoint(tmp_path)], **options)
    assert list(callback.history) == [8]


@pytest.mark.usefixtures("no_pictures")
def test_an_optimizer_without_a_diagonal_gives_plain_spectra(tmp_path: Path) -> None:
    callback = HessianSpectrum(steps=[2])
    fit(module(optimizer=torch.optim.SGD), tmp_path, max_steps=2, callbacks=[callback])
    assert {key.split("/")[1] for key in callback.history[2]} == {"plain"}


@pytest.mark.usefixtures("no_pictures")
def test_tensors_that_do_not_mix_are_refused_before_the_first_step(tmp_path: Path) -> None:
    class Mixed(Decay):
        def residuals(self, points: Any) -> Any:
            found = super().residuals(points)
            return {**found, "pde": found["pde"] @ self.matrix}

    def mixed() -> Mixed:
        decay = Mixed(check_exact=False)
        decay.matrix = torch.eye(1)
        return decay

    with pytest.raises(MisconfigurationException, match=r"(?s)`losses` of Mixed must be computable.*double=False"):
        fit(mixed(), tmp_path, points(Decay()), max_steps=3, callbacks=[HessianSpectrum(steps=[2])])
    callback = HessianSpectrum(steps=[2], double=False)
    fit(mixed(), tmp_path, points(Decay()), max_steps=3, callbacks=[callback])
    assert list(callback.history) == [2]


def test_another_module_is_refused(tmp_path: Path) -> None:
    class Plain(LightningModule):
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD([torch.zeros(1, requires_grad=True)])

        def train_dataloader(self) -> Any:
            return [torch.zeros(1)]

        def training_step(self, batch: Any) -> Any:
            return None

    with pytest.raises(MisconfigurationException, match="`HessianSpectrum` must watch a `PINNModule`, got Plain"):
        trainer(tmp_path, max_steps=1, callbacks=[HessianSpectrum()]).fit(Plain())


def test_fast_dev_run_writes_nothing(tmp_path: Path) -> None:
    fit(module(), tmp_path, fast_dev_run=True, callbacks=[HessianSpectrum()])
    assert not (tmp_path / "hessian").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": [3, -1]}, "`steps` must be >= 0, got -1"),
        ({"every_n_epochs": -1}, "`every_n_epochs` must be >= 0, got -1"),
        ({"exact_up_to": -1}, "`exact_up_to` must be >= 0, got -1"),
        ({"lanczos_steps": 0}, "`lanczos_steps` must be >= 1, got 0"),
        ({"probes": 0}, "`probes` must be >= 1, got 0"),
        ({"cutoff": 1.0}, r"`cutoff` must be in \[0, 1\), got 1"),
    ],
)
def test_bad_numbers(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HessianSpectrum(**options)
