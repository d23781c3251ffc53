"""The templates: what `new` writes from them works as it is."""

import ast
import importlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers.text import lines_of_code
from lightning_autobalance import checks
from lightning_autobalance.cli import main
from lightning_autobalance.cli.lightning_cli import run
from lightning_autobalance.scaffold.files import IN_USE, KINDS, TEMPLATES, class_name

SMALL = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]


def new(kind: str) -> str:
    """Write the files of a kind, and give the name of the module."""
    name = f"my_{kind}_problem"
    base = kind.removesuffix("_inverse")
    main(["new", name, f"--{base}", *(["--inverse"] if base != kind else [])])
    importlib.invalidate_caches()
    return name


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_trains_without_an_edit(kind: str, tmp_path: Path) -> None:
    name = new(kind)
    assert {file.name for file in tmp_path.iterdir()} == {f"{name}.py", f"{name}.yaml", f"test_{name}.py"}
    cli = run(
        [
            "fit",
            f"--config={name}.yaml",
            "--trainer.max_steps=3",
            "--model.finish.steps=1",
            "--data.eval_points=100",
            *SMALL,
        ]
    )
    assert type(cli.model).__name__ == class_name(name)
    assert cli.model.finish_phase.stage.began_at == 2
    assert ("initial" in cli.model.domain.parts) == kind.startswith(("time", "parametric"))
    assert any(p.dim() == 0 for p in cli.model.parameters()) == kind.endswith("inverse")
    assert ("val/k" in cli.trainer.callback_metrics) == kind.endswith("inverse")
    assert max(checks.check_exact(cli.model).values()) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_the_check_of_what_is_written_can_fail(kind: str, tmp_path: Path) -> None:
    name = new(kind)
    file = tmp_path / f"{name}.py"
    text = file.read_text(encoding="utf-8")
    wrong = text.replace("torch.pi**2", "torch.pi**3")
    assert wrong != text
    spec = importlib.util.spec_from_loader("wrong", loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    exec(wrong, module.__dict__)
    with pytest.raises(Exception, match="The residual of `pde` must vanish"):
        checks.check_exact(getattr(module, class_name(name))())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_short_and_says_where_to_change_it(kind: str, tmp_path: Path) -> None:
    name = new(kind)
    texts = {suffix: (tmp_path / f"{name}.{suffix}").read_text(encoding="utf-8") for suffix in ("py", "yaml")}
    assert lines_of_code(texts["py"]) <= (45 if kind.endswith("inverse") else 32 if kind == "geometry" else 25)
    assert lines_of_code(texts["yaml"]) <= 25
    assert yaml.safe_load(texts["yaml"])["model"]["class_path"] == f"{name}.{class_name(name)}"
    assert texts["py"].count("    # ") >= 3
    for text in (*texts.values(), (tmp_path / f"test_{name}.py").read_text(encoding="utf-8")):
        assert "my_pde" not in text
        assert "MyPde" not in text


@pytest.mark.parametrize("length", [88, 120])
@pytest.mark.skipif(shutil.which("ruff", path=Path(sys.executable).parent) is None, reason="ruff is not installed")
def test_what_is_written_is_formatted(length: int, tmp_path: Path) -> None:
    for kind in KINDS:
        new(kind)
    ruff = Path(sys.executable).parent / "ruff"
    for command in (["format", "--check", f"--line-length={length}"], ["check", "--select=E,F,I,W,B,UP"]):
        done = subprocess.run([ruff, *command, "--isolated", "."], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_accurate(kind: str) -> None:
    name = new(kind)
    cli = run(["fit", f"--config={name}.yaml", *SMALL])
    bound = 0.02 if kind.endswith("inverse") else 1e-3  # noise in the measurements
    assert cli.trainer.callback_metrics["val/rel_l2"] < bound
    if kind.endswith("inverse"):
        assert cli.trainer.callback_metrics["val/k"] == pytest.approx(0.1 if "time" in kind else 2.0, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_written_test_passes(kind: str, tmp_path: Path) -> None:
    name = new(kind)
    command = [sys.executable, "-m", "pytest", "-q", f"test_{name}.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_names_that_the_files_import_are_known() -> None:
    imported: set[str] = set()
    for template in TEMPLATES.iterdir():
        if template.name.endswith(".py.txt"):
            for node in ast.walk(ast.parse(template.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    imported |= {alias.name for alias in node.names if alias.name[0].isupper()}
    assert imported - {"MyPde"} == set(IN_USE)
