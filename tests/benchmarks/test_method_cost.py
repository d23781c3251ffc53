"""The page of costs follows from the results file."""

import json
from pathlib import Path

import torch

from benchmarks import method_cost

ROOT = Path(__file__).parents[2]


def test_the_table_is_sorted_and_relative() -> None:
    rows = [
        {"method": "auto_adamw", "ratio": 1.1, "range": [1.0, 1.2], "kept": 4.0},
        {"method": "m_config", "ratio": 0.55, "range": [0.5, 0.6], "kept": 4.0},
    ]
    lines = method_cost.table(rows).splitlines()[2:]
    assert lines == [
        "| `m_config` | 0.55 (0.50 to 0.60) | 0.50 | 4.0 |",
        "| `auto_adamw` | 1.10 (1.00 to 1.20) | 1.00 | 4.0 |",
    ]


def test_numbers_kept_are_found_in_nested_states() -> None:
    state = {0: {"exp_avg": torch.zeros(3), "step": torch.zeros(())}, 1: [{"a": torch.zeros(2, 2)}, "b", 1.0]}
    assert sum(t.numel() for t in method_cost._tensors(state)) == 3 + 1 + 4


def test_the_committed_page_is_what_the_command_writes() -> None:
    rows = json.loads((ROOT / "results/speed/methods.json").read_text())["rows"]
    assert method_cost.table(rows) in (ROOT / method_cost.PAGE).read_text()
    methods = {path.stem for path in (ROOT / "configs/method").glob("*.yaml")}
    assert {row["method"] for row in rows} == methods - {method_cost.BASE}
