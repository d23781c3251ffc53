"""A sweep's YAML: the product of its lists, and mistakes named."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lightning_autobalance.sweeps.product import plan
from lightning_autobalance.sweeps.runs import Run

ROOT = Path(__file__).parents[2]
GOOD: dict[str, Any] = {"out": "r.jsonl", "iterations": 5, "problems": {"p": "p.yaml"}}


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("p", "q", "m", "v"):
        Path(f"{name}.yaml").write_text("{}")


def planned(**given: Any) -> list[Run]:
    Path("s.yaml").write_text(yaml.safe_dump({**GOOD, **given}))
    return plan(Path("s.yaml")).runs


def test_every_combination_seed_by_seed() -> None:
    runs = planned(
        problems={"p": "p.yaml", "q": ["q.yaml", "--model.k=2"]},
        methods={"m": "m.yaml", "none": []},
        variants={"plain": [], "v": "v.yaml"},
        seeds=[3, 1],
        options="--trainer.accelerator=cpu",
    )
    assert len({run.key for run in runs}) == len(runs) == 16
    assert [run.seed for run in runs] == [3] * 8 + [1] * 8
    work = Path("runs/sweep")
    cpu = "--trainer.accelerator=cpu"
    assert runs[0] == Run("p", "m", 3, 5, ("p.yaml", "m.yaml"), (cpu,), "plain", work)
    configs, extra = ("q.yaml", "m.yaml", "v.yaml"), ("--model.k=2", cpu)
    assert Run("q", "m", 1, 5, configs, extra, "v", work) in runs


def test_what_is_not_named_has_a_default() -> None:
    assert planned() == [Run("p", "default", 0, 5, ("p.yaml",), (), "plain", Path("runs/sweep"))]
    assert plan(Path("s.yaml")).out == Path("r.jsonl")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seed": [1]}, "`seed` is no key of a sweep. Did you mean seeds[?] Valid are: out"),
        ({"problems": []}, r"`problems` must map names to files, got \[\]"),
        ({"problems": {"a/b": "p.yaml"}}, "`problems` must have names of letters.*got 'a/b'"),
        ({"problems": {"p": 3}}, "`problems.p` must be a file, an option .* or a list, got 3"),
        ({"methods": {"m": "none.yaml"}}, "`methods.m` must name files that exist, seen from .*, got none.yaml"),
        ({"options": ["--trainer.accelerator", "cpu"]}, "`options` must write an option with its value, such as"),
        ({"seeds": [1, 1]}, r"`seeds` must be a list of different whole numbers, got \[1, 1\]"),
        ({"seeds": 3}, "`seeds` must be a list of different whole numbers, got 3"),
        ({"seeds": [1.5]}, "`seeds` must be a whole number >= 0, got 1.5"),
        ({"iterations": 0}, "`iterations` must be a whole number >= 1, got 0"),
        ({"iterations": True}, "`iterations` must be a whole number >= 1, got True"),
        ({"out": 3}, "`out` must be the path of a results file, got 3"),
    ],
)
def test_mistakes_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        planned(**given)


@pytest.mark.parametrize(
    ("text", "said"),
    [("out: r.jsonl", "it lacks iterations, problems"), ("[1]", r"got \[1\]"), ("a: [", "must be YAML")],
)
def test_files_that_are_no_sweep(text: str, said: str) -> None:
    Path("s.yaml").write_text(text)
    with pytest.raises(ValueError, match=said):
        plan(Path("s.yaml"))


def test_the_example_is_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert len(plan(Path("examples/sweep.yaml")).runs) == 4
