"""The race's clock and its command: what is trained, when errors are kept, how a run resumes."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.race import command
from benchmarks.race.clock import BUDGETS, Clock, marks
from benchmarks.race.command import Run, missing, of, wanted
from benchmarks.race.contenders import CONTENDERS
from benchmarks.race.job import Job, plain
from lightning_autobalance.sweeps.results_file import read

RUN = Run("burgers_1d", "recommended", "small", 0, 600.0)


def test_errors_are_kept_at_marks_and_their_time_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("benchmarks.race.clock.cpu_seconds", lambda: now[0])

    def errors() -> dict[str, float | None]:
        now[0] += 100.0
        return {"own": 0.5}

    clock = Clock(10.0, errors)
    clock.start()
    spent = []
    for step in range(1, 12):
        now[0] += 1.0
        spent.append(clock.tick(step))
    clock.stop()
    assert spent == [False] * 9 + [True] * 2
    assert [row["seconds"] for row in clock.history] == [0, 2, 3, 4, 5, 6, 8, 9, 10, 11]
    assert clock.history[-1] == {"seconds": 11.0, "step": 11, "phase": "first", "errors": {"own": 0.5}}


def test_a_second_phase_goes_on_with_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("benchmarks.race.clock.cpu_seconds", lambda: now[0])
    clock = Clock(10.0, lambda: {"own": 0.5})
    clock.start()
    now[0] += 3.0
    clock.tick(1)
    now[0] += 50.0  # what it takes to begin the second phase
    clock.start()
    now[0] += 4.0
    clock.tick(2)
    assert clock.seconds == 7.0
    assert [row["step"] for row in clock.history] == [0, 1, 2]


def test_every_shorter_budget_is_a_mark() -> None:
    assert set(BUDGETS) <= set(marks(BUDGETS[-1]))
    assert marks(600.0)[-1] == 600.0
    assert BUDGETS[-1] not in marks(600.0)


def test_a_longer_run_serves_only_where_the_schedule_does_not_know_the_budget() -> None:
    short = RUN._replace(budget=120.0)
    assert RUN.serves(short)
    assert not short.serves(RUN)
    peer = RUN._replace(contender="deepxde")
    assert not peer.serves(short._replace(contender="deepxde"))
    assert list(missing([short, RUN._replace(seed=1)], [RUN])) == [RUN._replace(seed=1)]


def test_peers_have_a_run_per_budget_and_weights_only_where_there_are_some() -> None:
    line = ["--seeds", "0", "--rows", "heat_inverse_2d", "poisson_boltzmann_2d"]
    parser = command.options()
    next(each for each in parser._actions if each.dest == "contenders").choices = CONTENDERS  # also those not installed
    given = parser.parse_args([*line, "--contenders", "recommended", "deepxde", "deepxde_weighted"])
    found = [(run.row, run.contender, run.budget) for run in wanted(given)]
    assert found == [
        ("heat_inverse_2d", "recommended", 1800.0),
        *(("heat_inverse_2d", "deepxde", budget) for budget in (1800.0, 600.0, 120.0)),
        ("poisson_boltzmann_2d", "recommended", 1800.0),
        *(("poisson_boltzmann_2d", "deepxde", budget) for budget in (1800.0, 600.0, 120.0)),
        *(("poisson_boltzmann_2d", "deepxde_weighted", budget) for budget in (1800.0, 600.0, 120.0)),
    ]


def test_what_has_a_line_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def apart(run: Run, references: Any) -> dict[str, Any]:
        trained.append(run)
        return {**run._asdict(), "failed": "RuntimeError: no"}

    monkeypatch.setattr(command, "apart", apart)
    out = tmp_path / "race.jsonl"
    line = ["--rows", "burgers_1d", "--contenders", "recommended", "adamw", "--seeds", "0", "1", f"--out={out}"]
    command.main([*line, "--runs", "1"])
    command.main(line)
    assert [(run.contender, run.seed) for run in trained] == [
        ("recommended", 0),
        ("adamw", 0),
        ("recommended", 1),
        ("adamw", 1),
    ]
    assert [of(each) for each in read(out)] == trained


def test_a_run_that_fails_is_a_line_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("it is not finite\nlong story")

    monkeypatch.setitem(CONTENDERS, "adamw", CONTENDERS["adamw"]._replace(train=fail))
    line = command.train(RUN._replace(contender="adamw"), None)
    assert line["failed"] == "RuntimeError: it is not finite"
    assert line["points"]["interior"] == 2000


def test_the_recipe_is_that_of_the_configuration_with_a_finish_without_end() -> None:
    job = Job("poisson_boltzmann_2d")
    assert job.recipe()["finish"]["init_args"]["steps"] > 1e5
    assert (
        job.switch
        == job.config["trainer"]["max_steps"] - job.config["model"]["init_args"]["finish"]["init_args"]["steps"]
    )
    assert all(isinstance(weight, int | float) for weight in job.weights.values())


def test_numbers_and_classes_of_yaml_are_plain() -> None:
    assert plain({"lr": "1e-2", "x": ["1.5e3", "text"], "class_path": "MLP"}) == {
        "lr": 0.01,
        "x": [1500.0, "text"],
        "class_path": "lightning_autobalance.nets.MLP",
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, each in CONTENDERS.items() if not each.missing])
def test_every_contender_trains(name: str) -> None:
    line = command.apart(Run("burgers_1d", name, "small", 0, 6.0), None)
    assert line["history"][0]["errors"] == {"own": pytest.approx(1.17, abs=0.05)}  # the same start
    assert line["history"][-1]["errors"]["own"] < 0.9
    assert 6.0 <= line["seconds"] < 9.0
