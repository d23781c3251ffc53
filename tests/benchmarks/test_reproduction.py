"""The report follows from the results files; `reproduce` trains what is missing."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.reproduction import command, experiments, verdicts
from benchmarks.reproduction.conditioning import conditions
from benchmarks.reproduction.page import page
from benchmarks.reproduction.paper import METHODS, OURS, PROBLEMS, TABLE_1, TABLE_2, VARIANTS
from benchmarks.reproduction.pictures import shown
from benchmarks.reproduction.results import Results
from benchmarks.reproduction.tables import of_methods, of_variants

ROOT = Path(__file__).parents[2]


def line(method: str, mse: float, seed: int = 0, problem: str = "helmholtz_2d", **more: Any) -> dict[str, Any]:
    return {
        "problem": problem,
        "variant": "plain",
        "method": method,
        "seed": seed,
        "iterations": 10,
        "mse": mse,
        "linf": 10 * mse,
        "rel_l2": 2 * mse**0.5,
        "history": [],
        **more,
    }


def every(best: str, problem: str = "helmholtz_2d") -> list[dict[str, Any]]:
    return [line(m, (0.01 if m == best else 0.02) + s / 1e3, s, problem) for m in METHODS for s in range(3)]


def test_the_committed_page_is_what_the_command_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    results = Results.of_files(experiments.FILES, experiments.ITERATIONS)
    assert (ROOT / command.PAGE).read_text() == page(results, shown(ROOT / "docs"), conditions())


def test_the_papers_tables_are_whole() -> None:
    assert TABLE_1.keys() == {(problem, method) for problem in PROBLEMS for method in METHODS}
    assert TABLE_2.keys() == {(problem, variant) for problem in PROBLEMS for variant in VARIANTS}


def test_every_run_of_the_tables_is_wanted() -> None:
    runs = [run for part in ("table1", "table2") for each in experiments.PARTS[part] for run in each.runs(10)]
    kinds = {(run.problem, run.method, run.variant) for run in runs}
    assert {(p, m, "plain") for p in PROBLEMS for m in METHODS} <= kinds
    assert {(p, m, v) for p in PROBLEMS for m in (OURS, "adamw") for v in VARIANTS} <= kinds


@pytest.mark.parametrize("part", experiments.PARTS)
def test_every_configuration_is_there(part: str) -> None:
    for each in experiments.PARTS[part]:
        for run in each.runs(10):
            assert all((ROOT / config).exists() for config in run.configs), run.name


def test_a_row_has_the_best_the_median_and_the_failures() -> None:
    results = Results([line("adamw", mse, seed) for seed, mse in enumerate((0.5, 0.1, 0.2))], 10)
    row = of_methods(results, "helmholtz_2d", {"adamw": "EW"}, TABLE_1).splitlines()[2]
    assert row == (
        "| EW | 2.94e+01, 1.15e+01 | 1.00e-01, 1.00e+00 | 5.00e-01, 1.00e-01, 2.00e-01 | 2.00e-01 | 1 | 3 of 3 |"
    )


def test_what_is_missing_is_said() -> None:
    assert "| NTK | 6.94e-01, 2.75e+00 | not run | - | - | - | 0 of 3 |" in of_methods(
        Results([], 10), "helmholtz_2d", METHODS, TABLE_1
    )
    results = Results([line(OURS, 0.1, variant="rba"), line("adamw", 0.4, variant="rba")], 10)
    row = of_variants(results, "helmholtz_2d", {"rba": "RBA"}, TABLE_2).splitlines()[2]
    assert row == "| RBA | 3.49e+00 | 1.25e-03 | 4.00e-01 | 1.00e-01 | 25 % | 1 and 1 of 3 |"


def test_other_numbers_of_steps_and_repeated_runs_do_not_count() -> None:
    results = Results([line(OURS, 0.1), line(OURS, 0.1), line(OURS, 0.2, iterations=20)], 10)
    assert results.cell("helmholtz_2d", OURS).mse == [0.1]


@pytest.mark.parametrize(("best", "verdict"), [(OURS, "holds"), ("ntk", "does not hold")])
def test_lowest_error(best: str, verdict: str) -> None:
    found = verdicts.lowest_error(Results(every(best), 10), "helmholtz_2d")
    assert found.verdict == verdict
    assert f"lowest best: {METHODS[best]}, 1.00e-02" in found.numbers


def test_lowest_best_but_not_lowest_median() -> None:
    lines = [r | {"mse": 0.001} if (r["method"], r["seed"]) == (OURS, 0) else r for r in every("ntk")]
    assert verdicts.lowest_error(Results(lines, 10), "helmholtz_2d").verdict == "holds in part"


def test_no_verdict_without_every_run() -> None:
    found = verdicts.lowest_error(Results(every(OURS)[:-1], 10), "helmholtz_2d")
    assert found.verdict == "not enough runs"
    assert found.numbers.startswith("23 of 24 runs; so far lowest best: AutoBalance")
    assert verdicts.improved(Results([], 10), "rba").numbers == "0 of 18 runs"


@pytest.mark.parametrize(
    ("update", "gradient", "verdict"),
    [(1.2, 500.0, "holds"), (5.0, 500.0, "does not hold"), (1.2, 1.1, "does not hold")],
)
def test_norm_ratios(update: float, gradient: float, verdict: str) -> None:
    history = [{"balance/update_ratio/pde_x_boundary": update, "balance/grad_ratio/pde_x_boundary": gradient}] * 3
    found = verdicts.near_one(Results([line(OURS, 0.1, seed, history=history) for seed in range(3)], 10))
    assert found.verdict == verdict


@pytest.mark.parametrize(("updates", "verdict"), [((0.5, 0.5), "holds"), ((0.5, -0.5), "holds in part")])
def test_cosines(updates: tuple[float, ...], verdict: str) -> None:
    lines = [
        line(
            OURS, 0.1, seed, history=[{"balance/update_cos/pde_x_boundary": u, "balance/grad_cos/pde_x_boundary": -0.9}]
        )
        for seed, u in enumerate(updates)
    ]
    assert verdicts.aligned(Results(lines, 10)).verdict == verdict


@pytest.mark.parametrize(("factor", "verdict"), [(0.5, "holds"), (2.0, "does not hold")])
def test_improved(factor: float, verdict: str) -> None:
    lines = [
        line(method, 0.1 * (factor if method == OURS else 1), seed, problem, variant="rba")
        for problem in PROBLEMS
        for method in (OURS, "adamw")
        for seed in range(3)
    ]
    assert verdicts.improved(Results(lines, 10), "rba").verdict == verdict


def test_the_report_alone_trains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "results").symlink_to(ROOT / "results")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "sweep_by", lambda *_: pytest.fail("trained"))
    command.main(["table1", "--report"])
    assert (tmp_path / command.PAGE).read_text().startswith("# The paper, reproduced")


def test_what_another_file_holds_is_not_trained_again() -> None:
    given = command.parser().parse_args(["ablation"])
    wanted = command._wanted(experiments.ABLATIONS, given)
    there = {run.key for run in wanted if run.method == OURS}
    assert {key[3] for key in there} == {3, 4}  # seeds 0 to 2 are those of Table 1


def test_quick_leaves_the_results_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    seen: list[Any] = []
    monkeypatch.setattr(command, "sweep_by", lambda given, runs, out: seen.append((runs, out)))
    command.main(["table1", "--quick"])
    assert {run.seed for runs, _ in seen for run in runs} == {0}
    assert {run.iterations for runs, _ in seen for run in runs} == {command.QUICK_ITERATIONS}
    assert all(command.QUICK in out.parents for _, out in seen)
    assert (tmp_path / command.QUICK / "reproduction.md").exists()
    assert not (tmp_path / command.PAGE).exists()


def test_elsewhere_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        command.main(["all"])
    assert (
        "`reproduce` needs the configurations of the repository, `configs/`, found none in" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("ours", "verdict"), [((1.0, 1.0), "holds"), ((1.0, 9.0), "holds in part"), ((9.0, 9.0), "does not hold")]
)
def test_condition_numbers(ours: tuple[float, ...], verdict: str) -> None:
    found = verdicts.better_conditioned({"plain": (3.0, 3.0), "Adam": (2.0, 2.0), "AutoBalance": ours})
    assert found.verdict == verdict
    assert verdicts.better_conditioned({}).verdict == "not enough runs"
