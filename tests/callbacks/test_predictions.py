"""Results of runs read back by others: numpy, csv, pandas, meshio."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from helpers.toys import Decay, Poisson2D, fit, points, trainer
from lightning_autobalance.callbacks import Predictions
from lightning_autobalance.callbacks.predictions import predictions
from lightning_autobalance.cli import main
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.points import Box, Disk, Domain, Interval, Rectangle, TimeCylinder
from lightning_autobalance.problems import Helmholtz2D
from lightning_autobalance.utils.tables import read_table


def on(domain: Domain, fields: tuple[str, ...] = ("u",)) -> PINNModule:
    def residuals(self: PINNModule, points: Any) -> dict[str, Tensor]:
        return {"pde": self(points["interior"]) - 1}

    return type("On", (PINNModule,), {"domain": domain, "fields": fields, "residuals": residuals})()


def loaded(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "predictions.npz") as found:
        return dict(found)


def test_fit_leaves_the_final_fields_on_the_grid(tmp_path: Path) -> None:
    module, data = Poisson2D(), points(Poisson2D(), eval_points=36)
    fit(module, tmp_path, data, max_steps=3, callbacks=[Predictions()])
    found = loaded(tmp_path)
    assert {name: column.shape for name, column in found.items()} == dict.fromkeys(["x", "y", "u", "u_exact"], (36,))
    assert np.array_equal(np.stack([found["x"], found["y"]], axis=1), module.domain.grid(36))
    x = module.grid(36)
    assert np.array_equal(found["u"], module(x)[:, 0].detach().numpy())
    assert np.array_equal(found["u_exact"], module.exact(x)[:, 0].numpy())
    assert module.training


def test_every_format_has_the_same_numbers(tmp_path: Path) -> None:
    meshio = pytest.importorskip("meshio")
    watch = Predictions(["npz", "csv", "vtu"], names=["u", "u_xx"])
    fit(Poisson2D(), tmp_path, max_steps=1, precision="64-true", callbacks=[watch])
    found = loaded(tmp_path)
    assert found["u_xx"].dtype == np.float64
    table = read_table(tmp_path / "predictions.csv", list(found))
    mesh = meshio.read(tmp_path / "predictions.vtu")
    for name, column in found.items():
        assert np.array_equal(table[name], column)
        assert np.array_equal(mesh.points[:, "xy".index(name)] if name in "xy" else mesh.point_data[name], column)


def test_pandas_reads_the_table(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    fit(Decay(), tmp_path, max_steps=1, callbacks=[Predictions(["csv", "npz"])])
    frame = pandas.read_csv(tmp_path / "predictions.csv")
    assert list(frame) == ["x", "u", "u_exact"]
    np.testing.assert_allclose(frame["u"], loaded(tmp_path)["u"], rtol=1e-7)


def test_a_hole_has_no_points(tmp_path: Path) -> None:
    module = on(Rectangle((0, 1), (0, 1)) - Disk((0.5, 0.5), 0.2))
    fit(module, tmp_path, CollocationPoints({"interior": 9}, eval_points=400), max_steps=1, callbacks=[Predictions()])
    found = loaded(tmp_path)
    assert np.hypot(found["x"] - 0.5, found["y"] - 0.5).min() >= 0.2
    assert "u_exact" not in found


def test_instants_are_files(tmp_path: Path) -> None:
    pytest.importorskip("meshio")
    module = on(TimeCylinder(Rectangle((0, 1), (0, 1)), (0.0, 1.0)))
    data = CollocationPoints({"interior": 9}, eval_points=125)
    fit(module, tmp_path, data, max_steps=1, callbacks=[Predictions(["vtu"])])
    assert sorted(file.name for file in (tmp_path / "predictions").iterdir()) == [f"000{i}.vtu" for i in range(5)]
    assert (tmp_path / "predictions.pvd").exists()
    assert not (tmp_path / "predictions.npz").exists()


def probes(folder: Path, text: str = "x,name\n0.75,1\n0.1,2\n0.75,3\n") -> str:
    (folder / "probes.csv").write_text(text)
    return str(folder / "probes.csv")


def test_points_of_a_file_come_in_its_order(tmp_path: Path) -> None:
    module, data = Decay(), points(Decay(), predict_points=probes(tmp_path))
    fit(module, tmp_path, data, max_steps=2, callbacks=[Predictions()])
    found = loaded(tmp_path)
    assert found["x"].tolist() == [0.75, 0.1, 0.75]  # as in the file, also where the module rounds
    expected = module(torch.tensor([[0.75], [0.1], [0.75]]))[:, 0].tolist()
    assert found["u"].tolist() == expected
    quiet = trainer(tmp_path / "again", callbacks=[Predictions(["npz"])])
    assert torch.cat(quiet.predict(module, data))[:, 0].tolist() == expected
    assert loaded(tmp_path / "again")["u"].tolist() == expected


def test_validation_stays_on_the_grid(tmp_path: Path) -> None:
    data = points(Decay(), predict_points=probes(tmp_path), eval_points=50)
    fit(Decay(), tmp_path, data, max_steps=1)
    assert [len(batch) for batch in data.val_dataloader()] == [50]


def test_the_exact_solution_is_known_in_the_domain_only(tmp_path: Path) -> None:
    data = points(Decay(), predict_points=probes(tmp_path, "x\n0.5\n1.5\n"))
    with pytest.warns(UserWarning, match="1 of 2 rows, the first in row 2, lie outside"):
        fit(Decay(), tmp_path, data, max_steps=1, callbacks=[Predictions()])
    found = loaded(tmp_path)
    assert np.isfinite(found["u"]).all()
    assert np.isnan(found["u_exact"]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("y\n1\n", "`data.predict_points` must have columns of numbers"),
        ("x\nnan\n", "`data.predict_points` must give every coordinate, got none for 'x' in row 1"),
        ("x\n7\n", "Are the units the same"),
    ],
)
def test_a_bad_file_is_refused_before_training(text: str, said: str, tmp_path: Path) -> None:
    module = Decay()
    before = [p.clone() for p in module.parameters()]
    with pytest.raises(MisconfigurationException, match=said):
        fit(module, tmp_path, points(module, predict_points=probes(tmp_path, text)), max_steps=1)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_a_reference_is_interpolated(tmp_path: Path) -> None:
    x = np.linspace(0.0, 0.5, 101)[:, None]
    module = Decay(reference=(x, np.exp(-x)))
    fit(module, tmp_path, max_steps=1, callbacks=[Predictions()])
    found = loaded(tmp_path)
    inside = found["x"] <= 0.5
    assert set(found) == {"x", "u", "u_reference"}
    np.testing.assert_allclose(found["u_reference"][inside], np.exp(-found["x"][inside]), atol=1e-4)
    assert np.isnan(found["u_reference"][~inside]).all()


def test_training_does_not_notice(tmp_path: Path) -> None:
    weights = []
    for callbacks in ([], [Predictions(["npz", "csv"])]):
        torch.manual_seed(0)
        module = Poisson2D()
        fit(module, tmp_path, max_steps=7, callbacks=callbacks)
        weights.append(torch.cat([p.flatten() for p in module.parameters()]))
    assert torch.equal(*weights)


def test_a_resumed_run_writes_its_own_end(tmp_path: Path) -> None:
    options = {"enable_checkpointing": True, "callbacks": [Predictions()]}
    first = fit(Decay(), tmp_path, max_steps=2, logger=CSVLogger(tmp_path, version=0), **options)
    module = Decay()
    checkpoint = first.checkpoint_callback.best_model_path
    fit(module, tmp_path, max_steps=5, logger=CSVLogger(tmp_path, version=1), ckpt_path=checkpoint, **options)
    old, new = (loaded(tmp_path / "lightning_logs" / f"version_{i}")["u"] for i in (0, 1))
    assert not np.array_equal(old, new)
    assert np.array_equal(new, module(module.grid(100))[:, 0].detach().numpy())


def test_other_processes_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, watch = Decay(), Predictions()
    done = fit(module, tmp_path, max_steps=1)
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    watch.on_train_end(done, module)
    assert not list(tmp_path.rglob("predictions*"))
    monkeypatch.setattr(rank_zero_only, "rank", 0)
    watch.on_train_end(done, module)
    assert list(tmp_path.rglob("predictions*"))


QUIET = [
    f"--config={Path(__file__).parents[2] / 'configs' / 'helmholtz_2d.yaml'}",
    "--trainer.max_steps=2",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--data.eval_points=100",
]


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("in_folder")
def test_the_command_predicts_what_was_trained(tmp_path: Path) -> None:
    main(["fit", *QUIET])
    file = tmp_path / "probes.csv"
    file.write_text("y,x\n0.5,0.25\n-0.5,0.75\n")
    options = [f"--data.predict_points={file}", "--trainer.callbacks+=Predictions"]
    main(["predict", *QUIET, "--ckpt_path=last", *options, "--trainer.callbacks.formats=[csv,npz]"])
    runs = tmp_path / "runs" / "Helmholtz2D"
    trained = Helmholtz2D.load_from_checkpoint(runs / "version_0" / "checkpoints" / "last.ckpt")
    expected = trained.evaluate(np.array([[0.25, 0.5], [0.75, -0.5]]))["u"]
    assert loaded(runs / "version_1")["u"].tolist() == expected.tolist()
    assert read_table(runs / "version_1" / "predictions.csv", ["x"])["x"].tolist() == [0.25, 0.75]
    assert len(loaded(runs / "version_0")["u"]) == 100


@pytest.mark.usefixtures("in_folder")
def test_predictions_without_a_checkpoint_are_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="`ckpt_path` must name a checkpoint for predictions of a trained network"):
        main(["predict", *QUIET])


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize("logger", [[], ["--trainer.logger=false"]])
def test_every_seed_writes_its_own(logger: list[str], tmp_path: Path) -> None:
    main(["fit", *QUIET, "--seeds", "0", "1", *logger])
    files = sorted(tmp_path.rglob("predictions.npz"))
    assert [file.parent.name for file in files] == ["seed_0", "seed_1"]
    assert not np.array_equal(*(loaded(file.parent)["u"] for file in files))


@pytest.mark.slow
def test_two_processes_write_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lightning_autobalance", "fit", *QUIET, "--trainer.devices=2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.rglob("predictions.npz")
    assert len(loaded(file.parent)["u"]) == 100
    assert len(list(tmp_path.rglob("history.png"))) == 1


def test_a_fast_run_and_no_format_leave_nothing(tmp_path: Path) -> None:
    fit(Decay(), tmp_path, fast_dev_run=True, callbacks=[Predictions()])
    fit(Decay(), tmp_path, max_steps=1, callbacks=[Predictions([])])
    assert not list(tmp_path.rglob("predictions*"))


def test_a_field_with_the_name_of_a_coordinate_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    module = on(Interval(0.0, 1.0), fields=("x",))
    module.net = MLP(1, 1, [4])
    with pytest.warns(UserWarning, match="the field 'x' has the name of a coordinate. The run goes on"):
        fit(module, tmp_path, CollocationPoints({"interior": 9}), max_steps=1, callbacks=[Predictions()])


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "predictions.npz").mkdir()
    with pytest.warns(UserWarning, match="The predictions must be written to"):
        fit(Decay(), tmp_path, max_steps=1, callbacks=[Predictions()])


def test_predict_on_loaders_of_ones_own_writes_nothing(tmp_path: Path) -> None:
    loader = torch.utils.data.DataLoader(torch.rand(4, 1))
    quiet = trainer(tmp_path, callbacks=[Predictions()])
    assert len(quiet.predict(Decay(), loader)) == 4
    assert not list(tmp_path.rglob("predictions*"))


def test_rounding_leaves_no_point_out() -> None:
    module = on(Interval(0.0, np.pi))
    found = predictions(module, module.domain.grid(7))
    assert found["x"][-1] == np.pi
    assert len(found["u"]) == 7


def test_mistakes_are_named_before_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`formats` must be of npz, csv, vtu, got 'hdf5'"):
        Predictions(["hdf5"])
    with pytest.raises(MisconfigurationException, match="`names` must be fields, u, or derivatives"):
        fit(Decay(), tmp_path, max_steps=1, callbacks=[Predictions(names=["v"])])
    pytest.importorskip("meshio")
    box = on(Box((0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0), coordinates="xyzw"))
    data = CollocationPoints({"interior": 9})
    with pytest.raises(MisconfigurationException, match="without vtu for more than 3 coordinates in space"):
        fit(box, tmp_path, data, max_steps=1, callbacks=[Predictions(["vtu"])])


def test_meshio_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_autobalance.callbacks.predictions.find_spec", lambda name: None)
    Predictions(["npz", "csv"])
    with pytest.raises(ImportError, match=r"pip install lightning-autobalance\[export\]"):
        Predictions(["vtu"])
