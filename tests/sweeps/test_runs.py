"""What identifies a run, and that no run resumes from another configuration's checkpoint."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lightning_autobalance.sweeps.runs import Run, claim, missing


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("model: A\n")


def run(**options: object) -> Run:
    return replace(Run("helmholtz", "adamw", 1, 12, ("a.yaml",), ("--x=1",), work=Path("work")), **options)  # type: ignore[arg-type]


def test_names() -> None:
    assert run().key == ("helmholtz", "plain", "adamw", 1, 12)
    assert run().name == "helmholtz-plain-adamw-1-12"
    assert run(variant="rba").folder == Path("work/helmholtz-rba-adamw-1-12")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"problem": "a", "variant": "b-c"}, {"problem": "a-b", "variant": "c"}),
        ({"variant": "a-", "method": "b"}, {"variant": "a", "method": "b-"}),
        (
            {"problem": "a", "variant": "b", "method": "c-1", "seed": 2},
            {"problem": "a", "variant": "b-c", "method": "1", "seed": 2},
        ),
    ],
)
def test_names_with_hyphens_have_folders_of_their_own(one: dict[str, str], other: dict[str, str]) -> None:
    assert run(**one).folder != run(**other).folder


def test_runs_in_the_results_file_are_not_missing() -> None:
    done = {"problem": "helmholtz", "variant": "plain", "method": "adamw", "seed": 1, "iterations": 12}
    Path("r.jsonl").write_text(json.dumps(done) + "\n")
    wanted = [run(), run(iterations=13), run(seed=2), run(variant="rba")]
    assert missing(wanted, Path("r.jsonl")) == wanted[1:]
    assert missing(wanted, Path("none.jsonl")) == wanted


def test_a_folder_belongs_to_one_configuration_once_it_has_a_checkpoint() -> None:
    claim(run())
    claim(run(options=("--x=2",)))  # nothing to resume from yet
    (run().folder / "last.ckpt").touch()
    claim(run(options=("--x=2",)))
    for other in ("--x=1", "--x=3"):
        with pytest.raises(ValueError, match="must hold a run of the same configuration, got"):
            claim(run(options=(other,)))
    Path("a.yaml").write_text("model: B\n")
    with pytest.raises(ValueError, match=r"give the changed configuration .* another name"):
        claim(run(options=("--x=2",)))


@pytest.mark.parametrize("file", ["my_pde.py", "helpers.py"])
def test_an_edited_python_file_does_not_go_on_from_the_old_checkpoint(file: str) -> None:
    Path("a.yaml").write_text("model: {class_path: my_pde.Heat}\n")
    Path("my_pde.py").write_text("import helpers\n")
    Path("helpers.py").write_text("NU = 0.1\n")
    claim(run())
    (run().folder / "last.ckpt").touch()
    claim(run())
    Path(file).write_text(Path(file).read_text() + "# edited\n")
    with pytest.raises(ValueError, match=r"or Python file\) another name"):
        claim(run())
