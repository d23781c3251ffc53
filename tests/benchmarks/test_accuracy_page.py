"""The pages of the accuracy benchmark follow from its results files."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks import accuracy_page, main_job
from benchmarks.accuracy import OUT, PROBLEMS, Cell, cells
from benchmarks.docs import between
from lightning_autobalance.sweeps.results_file import read

ROOT = Path(__file__).parents[2]
BEST = accuracy_page.recommended("helmholtz_2d")


def lines(cell: Cell, *errors: float) -> list[dict[str, Any]]:
    history = [
        {"step": step, "seconds": 10.0 * i, "mse": 1.0, "rel_l2": 0.5**i}
        for i, step in enumerate((0, 2000, 3001, 3079, 3100))
    ]
    numbers = {"budget": 100.0, "seconds": 40.0, "rel_l2": 0.1, "history": history}
    return [{"cell": asdict(cell), "seed": i, "mse": mse, **numbers} for i, mse in enumerate(errors)]


def today(*errors: float) -> list[dict[str, Any]]:
    return [{"problem": "helmholtz_2d", "method": "auto_adamw", "seed": i, "mse": e} for i, e in enumerate(errors)]


def verdict(found: Iterable[dict[str, Any]], *old: float) -> str:
    return accuracy_page.verdict("helmholtz_2d", accuracy_page.grouped(found), today(*old))


def test_the_committed_pages_are_what_the_command_writes() -> None:
    results, older = list(read(ROOT / OUT)), list(read(ROOT / main_job.OUT))
    for (page, name), body in accuracy_page.blocks(results, older).items():
        text = (ROOT / page).read_text()
        assert between(text, name, body) == text, f"{page}: run python -m benchmarks accuracy_page"
    assert (ROOT / accuracy_page.FIGURE).is_file()


def test_every_line_of_the_results_is_of_a_combination() -> None:
    assert set(accuracy_page.grouped(read(ROOT / OUT))) <= set(cells())


def test_targets_and_recommendations_are_there_for_every_problem() -> None:
    assert list(accuracy_page.TARGETS) == list(PROBLEMS)
    assert all(accuracy_page.recommended(problem).finish == "lm" for problem in PROBLEMS)


def test_a_target_is_met() -> None:
    found = verdict(lines(BEST, 9e-9, 1e-8, 1e-8, 2e-8, 9e-7), 1e-2)
    assert "a median of 1.0e-08 (at most 1e-07 wanted: **met**)" in found
    assert "the worst seed at 9.0e-07 (below 1e-06 wanted: **met**)" in found
    assert "30,000 steps at 1.0e-02, 1e+06 times the first" in found
    assert "combinations that" not in found


def test_a_miss_is_said_with_its_factor_and_with_what_does_better() -> None:
    missed = lines(BEST, *[2.5e-7] * 4, 1e-6)
    found = verdict(missed)
    assert "(at most 1e-07 wanted: **missed by a factor of 2.5**)" in found
    assert "(below 1e-06 wanted: **missed by a factor of 1.0**)" in found
    assert found.endswith("combinations that reach the median: none of those run.")
    other = lines(Cell("helmholtz_2d", "soap", "lm", 3000), *[1e-8] * 5)
    few = lines(Cell("helmholtz_2d", "soap"), 1e-9)
    assert verdict([*missed, *other, *few]).endswith("reach the median: SOAP 3,000 steps + LevenbergMarquardt.")


def test_fewer_seeds_give_no_final_verdict() -> None:
    found = verdict(lines(BEST, 1e-8, 3e-7, 3e-6))
    assert "**missed so far by a factor of 3.0**" in found
    assert "3 of 5 seeds are there" in found
    assert "**met so far**" in verdict(lines(BEST, 1e-8))
    assert "is **not run yet**; at most 1e-07 is wanted" in verdict([])


def test_a_table_has_the_lowest_median_first_and_todays_runs() -> None:
    found = [*lines(Cell("helmholtz_2d", "adamw"), 3.0, 1.0, 2.0), *lines(BEST, 1e-8)]
    rows = accuracy_page.table("helmholtz_2d", accuracy_page.grouped(found), today(1e-2, 2e-2, 3e-2)).splitlines()
    assert rows[:3] == ["### 2-D Helmholtz", "", "Budget: 100 CPU s (100 to 100)."]
    assert [row.split(" | ")[0] for row in rows[6:]] == [
        "| AutoSOAP 3,000 steps + LevenbergMarquardt",
        "| AutoAdamW, 30,000 steps of `main_job`",
        "| AdamW",
    ]
    assert rows[-1] == "| AdamW | 3 of 5 | 2.00e+00 (1.00e+00 to 3.00e+00) | 1.0e-01 | 40 (40 to 40) |"
    assert accuracy_page.table("helmholtz_2d", {}, []).endswith("No run yet.")


def test_what_is_missing_is_counted() -> None:
    total = 5 * len(cells())
    found = accuracy_page.missing(accuracy_page.grouped(lines(BEST, 1.0, 1.0)))
    assert found.startswith(f"{total - 2} of {total} runs are still missing:")
    assert "- 2-D Helmholtz: AutoSOAP 3,000 steps + LevenbergMarquardt (3 of 5 seeds), " in found
    every = [line for cell in cells() for line in lines(cell, *[1.0] * 5)]
    assert accuracy_page.missing(accuracy_page.grouped(every)) == "All runs are there."


def test_choices_say_what_is_not_run() -> None:
    found = accuracy_page.choices(accuracy_page.grouped(lines(BEST, 1e-8)), [("auto_soap", "lm", 3000)])
    assert found.splitlines()[2:] == [
        "| AutoSOAP 3,000 steps + LevenbergMarquardt | 1.0e-08 (1 of 5 seeds) | not run yet |"
    ]


def test_the_first_command_is_judged_within_its_steps() -> None:
    found = accuracy_page.first_run(accuracy_page.grouped(lines(BEST, 1.0)), ROOT / accuracy_page.FIRST_COMMAND)
    assert "12 % (12 to 12 %, 1 seeds), after 30 s" in found  # step 3079 of 3080
    assert "not measured yet" in accuracy_page.first_run({}, ROOT / accuracy_page.FIRST_COMMAND)


@pytest.mark.parametrize(("ratio", "said"), [(8.94, "8.9"), (999.0, "999.0"), (1.7e6, "2e+06")])
def test_large_factors_are_powers_of_ten(ratio: float, said: str) -> None:
    assert accuracy_page.factor(ratio) == said


def test_every_combination_has_a_name_of_its_own() -> None:
    for problem in PROBLEMS:
        names = [accuracy_page.label(cell) for cell in cells() if cell.problem == problem]
        assert len(set(names)) == len(names)


def test_the_scoreboard_says_who_wins() -> None:
    older = [*today(1e-3), *({**line, "method": "adamw"} for line in today(1e-2))]
    found = accuracy_page.scoreboard(accuracy_page.grouped(lines(BEST, 1e-8)), older)
    assert "| 2-D Helmholtz | 1.0e-02 | 1.0e-03: wins, 10 times | 1.0e-08: wins, 1e+06 times | 40 |" in found
    assert len(found.splitlines()) == 3
    assert accuracy_page.compared(5e-3, 1e-3) == "5.0e-03: **loses**, 5.0 times"
