"""Results files become blocks of the pages."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import docs


def result(method: str, seed: int, mse: float, *cosines: float) -> dict[str, Any]:
    history = [{"step": i, "balance/update_cos/a_x_b": cosine, "val/mse": 9.0} for i, cosine in enumerate(cosines)]
    return {"problem": "helmholtz_2d", "method": method, "seed": seed, "mse": mse, "history": history}


def test_methods_stand_side_by_side_seed_by_seed() -> None:
    found = docs.comparison(
        [
            result("adamw", 1, 1e-3),
            result("auto_adamw", 0, 2e-2, -0.5, -0.9),
            result("auto_adamw", 1, 2e-3, 0.25),
            result("adamw", 0, 3e-2),
            result("adamw", 2, 1.0),  # alone: left out
        ]
    )
    assert found.splitlines()[0] == "Plain AdamW has the lower error in 1 of 2 pairs."
    assert found.splitlines()[4:] == [
        "| 2-D Helmholtz | 0 | 2.00e-02 | 3.00e-02 | AutoAdamW | -0.70 |",
        "| 2-D Helmholtz | 1 | 2.00e-03 | 1.00e-03 | AdamW | 0.25 |",
    ]


def test_cost_of_reverse_mode_is_the_inverse_ratio(tmp_path: Path) -> None:
    path = tmp_path / "derivatives.json"
    path.write_text(json.dumps({"ratio": 0.5, "ratio_range": [0.4, 0.625], "points": 2000}))
    sentence = " ".join(docs.derivatives(path).split())
    assert "reverse mode takes 2.0 times as long as Taylor mode (1.6 to 2.5)" in sentence
    assert "2,000 points" in sentence


def test_the_cost_of_a_finish_is_told_where_it_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "finish.json"
    assert docs.finish_cost(path).startswith("Not measured yet")
    step = {"rows": 2400, "parameters": 5301, "step_seconds": 1.5, "ratio": 1.2, "ratio_quartiles": [1.1, 1.3]}
    step |= {"peak_bytes": 300 * 2**20, "formula_bytes": 229 * 2**20}
    large = {"rows": 10_000, "parameters": 30_701, "LBFGS": [[1, 9.0], [60, 3.0]], "LevenbergMarquardt": [[61, 2.0]]}
    path.write_text(json.dumps({"step": step, "large": large}))
    found = " ".join(docs.finish_cost(path).split())
    assert "1.50 s, 1.20 times its bare matrix work (quartiles 1.10 to 1.30)" in found
    assert "by 300 MiB where the formula gives 229 MiB" in found
    assert found.endswith("LevenbergMarquardt 2.00e+00 after 61 CPU s, LBFGS 3.00e+00 after 60 CPU s.")


def test_only_what_is_between_the_markers_changes() -> None:
    page = "before\n<!-- a:begin -->\nold\n<!-- a:end -->\nafter <!-- b:begin -->\n"
    assert docs.between(page, "a", "new") == page.replace("old", "new")


@pytest.mark.parametrize(
    "page",
    ["", "<!-- a:begin -->", "<!-- a:end --><!-- a:begin -->", "<!-- a:begin --><!-- a:begin --><!-- a:end -->"],
)
def test_missing_and_repeated_markers_are_refused(page: str) -> None:
    with pytest.raises(ValueError, match=r"must hold the markers <!-- a:begin --> and <!-- a:end --> once"):
        docs.between(page, "a", "new")


def test_lines_become_a_fenced_block() -> None:
    assert docs.printed(["a", "b"]) == "```text\na\nb\n```"


def test_what_compiling_costs_is_a_row_per_problem(tmp_path: Path) -> None:
    found = {"cold_s": 23.4, "warm_s": 4.5, "eager_ms": 16.66, "ratio": 0.577, "steps": 3317, "steps_warm": 629}
    (tmp_path / "compile.json").write_text(json.dumps({"cases": {"helmholtz_2d": found, "width 400": found}}))
    rows = docs.compiling(tmp_path / "compile.json").splitlines()[2:]
    assert rows[0] == "| 2-D Helmholtz | 23, 4 | 16.7 | 0.58x | 3,317, 629 steps | 8,203 |"
    assert rows[1].startswith("| Helmholtz, width 400 |")
