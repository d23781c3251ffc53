"""The table of what seeds at once cost."""

import json
from pathlib import Path

from benchmarks import ensemble_cost

ROOT = Path(__file__).parents[2]


def test_a_row_of_the_table() -> None:
    row = {"size": "small", "seeds": 4, "ratio": 0.5, "range": [0.4, 0.625], "single_ms": 2.0, "ensemble_ms": 4.04}
    assert ensemble_cost.table([row]).splitlines()[2:] == [
        "| 3 hidden layers of 20, 160 and 40 points | 4 | 2.0 ms | 4.0 ms | 0.50 (0.40 to 0.62) |"
    ]


def test_the_page_shows_the_results() -> None:
    rows = json.loads((ROOT / ensemble_cost.OUT).read_text())["rows"]
    assert ensemble_cost.table(rows) in (ROOT / ensemble_cost.PAGE).read_text()
    assert {(row["size"], row["seeds"]) for row in rows} == {
        (size, k) for size in ensemble_cost.SIZES for k in (2, 4, 8)
    }


def test_an_ensemble_can_be_timed(tmp_path: Path) -> None:
    assert ensemble_cost.seconds("small", [0, 1], 22, str(tmp_path)) > 0
