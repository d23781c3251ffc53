"""The command line of `sweep`: mistakes, and what it does not import."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lightning_autobalance.cli import main

ROOT = Path(__file__).parents[2]


def test_a_mistake_ends_before_anything_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = str(ROOT / "configs" / "helmholtz_2d_quick.yaml")
    Path("s.yaml").write_text(
        yaml.safe_dump({"out": "r.jsonl", "iterations": 2, "problems": {"quick": quick}, "seed": [1]})
    )
    for arguments, said in [
        (["s.yaml"], "`seed` is no key of a sweep. Did you mean seeds?"),
        (["none.yaml"], "No such file"),
        (["s.yaml", "--workers=0"], "`workers` must be >= 1, got 0"),
        (["s.yaml", "--scheduler=tcp://a:1"], "`scheduler` needs `backend` dask"),
    ]:
        with pytest.raises(SystemExit) as stopped:
            main(["sweep", *arguments])
        assert stopped.value.code == 2
        assert said in capsys.readouterr().err


def test_nothing_heavy_is_imported_for_the_help() -> None:
    code = """
import sys
from lightning_autobalance.cli import main
try:
    main(["sweep", "--help"])
except SystemExit:
    heavy = {"torch", "lightning", "joblib", "distributed"} & set(sys.modules)
    sys.exit(f"imported: {heavy}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--scheduler" in done.stdout
