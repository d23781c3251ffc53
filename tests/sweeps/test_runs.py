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
    with pytest.raises(ValueError, match="give the changed configuration another name"):
        claim(run(options=("--x=2",)))
