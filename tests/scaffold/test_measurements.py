"""`new --measurements`: what a file says becomes a problem that trains on it."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from lightning_autobalance.cli import main
from lightning_autobalance.cli.lightning_cli import run
from lightning_autobalance.points import Box, TimeCylinder
from lightning_autobalance.scaffold.measurements import read_columns

RNG = np.random.default_rng(0)
SMALL = [
    "--trainer.max_steps=3",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--data.eval_points=100",
]
FILES = {  # its columns, what they become, and the domain
    "flow": ("t,u,x,v,y", ("x", "y", "t"), ("u", "v"), TimeCylinder),
    "rod": ("x,t,temperature [K]", ("x", "t"), ("temperature",), TimeCylinder),
    "plate": ("x,y,on", ("x", "y"), ("on",), Box),
    "solid": ("x,y,z,1st", ("x", "y", "z"), ("field_0",), Box),
    "decay": ("t,c", ("t",), ("c",), Box),
    "trajectory": ("t,x,y,z", ("t",), ("x", "y", "z"), Box),
}


def table(name: str, folder: Path) -> Path:
    header = FILES[name][0]
    file = folder / f"{name} 1.csv"
    rows = RNG.random((20, header.count(",") + 1)) * 3 + 1e3
    np.savetxt(file, rows, delimiter=",", header=header, comments="", encoding="utf-8")
    return file


@pytest.mark.parametrize("name", FILES)
def test_what_is_written_trains_on_the_columns(name: str, tmp_path: Path) -> None:
    file = table(name, tmp_path)
    main(["new", f"my_{name}", f"--measurements={file}"])
    importlib.invalidate_caches()
    _, inputs, fields, domain = FILES[name]
    cli = run(["fit", f"--config=my_{name}.yaml", *SMALL])
    assert cli.model.domain.coordinates == inputs
    assert cli.model.fields == fields
    assert isinstance(cli.model.domain, domain)
    assert {"loss/pde", "loss/data"} <= cli.trainer.callback_metrics.keys()
    measured = cli.datamodule.points_at(0)
    assert measured["data"].shape == (20, len(inputs))
    assert cli.model.domain.contains(measured["data"].double().numpy()).all()


def test_the_yaml_names_the_file_from_its_own_folder(tmp_path: Path) -> None:
    main(["new", "my_rod", f"--measurements={table('rod', tmp_path)}", "--folder=deep/er"])
    data = yaml.safe_load((tmp_path / "deep" / "er" / "my_rod.yaml").read_text(encoding="utf-8"))["data"]
    assert data["measurements"] == {
        "file": "../../rod 1.csv",
        "inputs": ["x", "t"],
        "targets": {"temperature": "temperature [K]"},
    }


def test_npz_is_read_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "found.npz", t=[0.0, 2.0], x=[[-1.0], [0.7531]], u=[1, 2])
    found = read_columns(tmp_path / "found.npz")
    assert (found.inputs, found.targets, found.kind) == (("x", "t"), {"u": "u"}, "measurements_time")
    assert found.bounds == (pytest.approx((-1.0, 0.76)), (0.0, 2.0))


def test_a_box_holds_every_point_and_is_never_flat(tmp_path: Path) -> None:
    for low, high in ((1e6 + 0.25, 1e6 + 0.75), (-3e-7, 2e-7), (5.0, 5.0), (-1.0, 1.0)):
        (tmp_path / "found.csv").write_text(f"x,u\n{low!r},0\n{high!r},0\n,0\n")
        found = read_columns(tmp_path / "found.csv")
        start, end = (float(end) for end in found.texts(tmp_path)["BOX"].strip("()").split(","))
        assert start <= low <= high <= end
        assert 0 < end - start <= max(1.05 * (high - low), 1.0 if low == high else 0.0)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "a,b\n1,2\n", r"must have columns named x, y, z or t, .* got \['a', 'b'\]"),
        ("a.csv", "x,y\n1,2\n", "and others for what was"),
        ("a.csv", "", r"got \[\]"),
        ("a.csv", "x,u\nleft,2\n", "`--measurements` must have columns of numbers, .*'left' in row 1"),
        ("a.csv", "x,u [m],u [s]\n1,2,3\n", r"columns with different names, got \['u \[m\]', 'u \[s\]'\]"),
        ("a.npz", "no archive", "`--measurements` must be what `numpy.savez` writes"),
        ("a.txt", "x,u\n", "`--measurements` must be .csv or .npz"),
    ],
)
def test_mistakes_are_named(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=said):
        read_columns(tmp_path / name)


def test_what_is_written_is_formatted(tmp_path: Path) -> None:
    ruff = Path(sys.executable).parent / "ruff"
    if not ruff.exists():
        pytest.skip("ruff is not installed")
    for name in FILES:
        main(["new", f"my_{name}", f"--measurements={table(name, tmp_path)}"])
    done = subprocess.run(
        [ruff, "check", "--select=E,F,W,B,UP", "--line-length=120", "--isolated", "."],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
