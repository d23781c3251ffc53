"""The table of the variants' costs follows from the results file."""

import json
from pathlib import Path

from benchmarks import table2, variant_cost

ROOT = Path(__file__).parents[2]


def test_the_table_has_a_column_per_problem_and_method() -> None:
    rows = [
        {"variant": "rba", "problem": "helmholtz_2d", "method": "auto_adamw", "ratio": 1.0, "range": [0.9, 1.1]},
        {"variant": "rba", "problem": "helmholtz_2d", "method": "adamw", "ratio": 1.2, "range": [1.2, 1.3]},
        {"variant": "rad", "problem": "helmholtz_2d", "method": "adamw", "ratio": 2.0, "range": [2.0, 2.0]},
    ]
    assert variant_cost.table(rows).splitlines() == [
        "| variant | 2-D Helmholtz, AutoAdamW | 2-D Helmholtz, AdamW |",
        "|---|---|---|",
        "| `rba` | 1.00 (0.90 to 1.10) | 1.20 (1.20 to 1.30) |",
        "| `rad` | - | 2.00 (2.00 to 2.00) |",
    ]


def test_the_committed_page_is_what_the_command_writes() -> None:
    rows = json.loads((ROOT / variant_cost.OUT).read_text())["rows"]
    assert variant_cost.table(rows) in (ROOT / variant_cost.PAGE).read_text()
    assert {row["variant"] for row in rows} == {*table2.PAPER, *table2.OTHERS}


def test_every_variant_with_a_configuration_is_in_a_list() -> None:
    found = {path.stem for path in (ROOT / "configs/variant").glob("*.yaml")}
    assert found == {*table2.PAPER, *table2.OTHERS, "rba_ropinn"} - {"df_pinn"}
