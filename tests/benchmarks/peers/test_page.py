"""Tables, verdicts, picture and page follow from the results file."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import command, figure, page
from benchmarks.peers.contenders import BY_NAME
from benchmarks.peers.verdicts import TARGETS, spread, verdict, verdicts

ROOT = Path(__file__).parents[3]
LOOP = {"monitor_ratio": 1.01, "monitor_ratio_range": [0.9, 1.1], "ratio": 1.071, "ratio_range": [1.0, 1.2]}
FOUND: dict[str, Any] = {
    "ms": {"fit_default": [10.0, 20.0, 10.0], "pina": [40.0, 50.0, 20.0], "products": [6.0, 6.0, 5.0]},
    "memory": {
        "fit_default": {"before_mib": 400, "peak_mib": 420},
        "pina": {"before_mib": 450, "peak_mib": 480},
        "products": {"before_mib": 0},
    },
    "deviation": {"fit_default": 1e-7, "pina": 1e-7, "products": None},
    "absent": {"deepxde": "`deepxde` is not installed"},
}

MEMORY = {"fit": FOUND["memory"]["fit_default"]}


def test_ratios_are_of_the_same_round() -> None:
    rows = verdicts(FOUND, LOOP, page.TITLES)
    assert rows[0] == [
        "`fit` at its defaults, by PINA",
        "0.33",
        "0.40 (0.33 to 0.45)",
        "missed by 21.2%",
    ]  # of 0.25, 0.4, 0.5
    assert rows[6] == [
        "`fit` at its defaults, by bare matrix products",
        "2.00",
        "2.00 (1.83 to 2.67)",
        "reached, 0.0% below",
    ]


def test_what_was_not_measured_is_said() -> None:
    rows = {row[0]: row[2:] for row in verdicts(FOUND, LOOP, page.TITLES)}
    assert rows["`fit` at its defaults, by DeepXDE"] == ["-", "not measured: `deepxde` is not installed"]
    assert rows["`fit`, uncompiled, by PINA"] == ["-", "not measured: left out"]
    assert rows["`fit`, by a bare torch loop"] == ["1.071 (1.000 to 1.200)", "missed by 2.0%"]
    assert len(rows) == len(TARGETS) + 2


@pytest.mark.parametrize(
    ("ratio", "said"), [(0.33, "reached, 0.0% below"), (0.30, "reached, 9.1% below"), (0.5, "missed by 51.5%")]
)
def test_verdicts_say_by_how_much(ratio: float, said: str) -> None:
    assert verdict(ratio, 0.33) == said


def test_one_round_has_no_spread() -> None:
    assert spread([2.0]) == (2.0, 2.0, 2.0)
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == (3.0, 2.0, 4.0)


def test_the_fastest_comes_first_and_the_absent_last() -> None:
    assert page.steps_of("helmholtz_2d", FOUND).markdown().splitlines()[4:] == [
        "| bare matrix products | 6.00 (5.50 to 6.00) | 0.50 (0.40 to 0.55) | - | - |",
        "| `fit` at its defaults | 10.00 (10.00 to 15.00) | 1.00 (1.00 to 1.00) | 420 | 20 |",
        "| PINA | 40.00 (30.00 to 45.00) | 2.50 (2.25 to 3.25) | 480 | 30 |",
        "| DeepXDE | absent: `deepxde` is not installed | - | - | - |",
    ]


def test_a_table_of_absent_contenders_is_a_table() -> None:
    found = {"ms": {}, "memory": {}, "absent": {"fit_default": "ValueError: a | b"}}
    lines = page.steps_of("helmholtz_2d", found).markdown().splitlines()
    assert lines[0] == "## 2-D Helmholtz, 0 rounds"
    assert lines[4:] == [r"| `fit` at its defaults | absent: ValueError: a \| b | - | - | - |"]


def test_growth_names_what_is_absent() -> None:
    curve = [
        {"at": 500, **FOUND, "memory": MEMORY, "ms": {"fit": [1.0], "nested": [2.0]}},
        {"at": 2000, **FOUND, "memory": MEMORY, "ms": {"fit": [3.0], "nested": [2.0], "fit_compiled": [1.0]}},
    ]
    lines = page.growth_of("points", curve).markdown().splitlines()
    assert lines[4].startswith("| 500 | absent | 1.00 (1.00 to 1.00) | 2.00")
    assert lines[5].endswith("| 1.50 (1.50 to 1.50) | 20 |")


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    curve = [{"at": at, "ms": {"fit": [1.0 * at, 2.0 * at], "nested": [3.0 * at, 4.0 * at]}} for at in (2, 4)]
    figure.draw({"terms": curve}, tmp_path / "images" / "speed.png")
    assert (tmp_path / "images" / "speed.png").stat().st_size > 5000


def test_the_committed_page_is_what_the_command_writes() -> None:
    results, loop = (json.loads((ROOT / path).read_text()) for path in (command.OUT, command.LOOP))
    assert page.body(results, loop) in (ROOT / command.PAGE).read_text()
    assert (ROOT / command.FIGURE).exists()
    measured = {problem: found["ms"].keys() | found["absent"].keys() for problem, found in results["steps"].items()}
    assert measured["helmholtz_2d"] == BY_NAME.keys()
    for names in measured.values():
        assert names >= BY_NAME.keys() - {"fit_default"}  # which is newer


def test_without_parts_only_the_page_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    results = {"machine": command.machine(), "steps": {"helmholtz_2d": FOUND}, "shares": {"optimizer": 1.0}}
    out, written = tmp_path / "peers.json", tmp_path / "speed.md"
    out.write_text(json.dumps(results))
    written.write_text("before\n<!-- results:begin -->\nold\n<!-- results:end -->\nafter\n")
    command.main(["--parts", "--out", str(out), "--page", str(written), "--figure", str(tmp_path / "speed.png")])
    assert "old" not in written.read_text()
    assert "| `fit` at its defaults, by PINA | 0.33 | 0.40 (0.33 to 0.45) | missed by 21.2% |" in written.read_text()
    assert json.loads(out.read_text()) == results
    assert not (tmp_path / "speed.png").exists()
