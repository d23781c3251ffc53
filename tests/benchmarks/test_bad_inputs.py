"""Every mistake of the list is noticed, in the words that the page shows."""

import json
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jaxtyping
import pytest

from benchmarks import bad_inputs
from benchmarks.bad_input_cases import CASES, Case

ROOT = Path(__file__).parents[2]
FOUND: dict[str, Any] = json.loads((ROOT / bad_inputs.OUT).read_text())
SAME = FOUND["versions"] == {name: version(name) for name in FOUND["versions"]}


def test_the_committed_page_is_what_the_command_writes() -> None:
    assert bad_inputs.table(FOUND["rows"]) in (ROOT / bad_inputs.PAGE).read_text()
    assert [row["wrong"] for row in FOUND["rows"]] == [case.wrong for case in CASES]
    assert len({case.wrong for case in CASES}) == len(CASES)


def test_every_mistake_is_noticed_in_words() -> None:
    assert not [row for row in FOUND["rows"] if row["when"] == bad_inputs.NOT_NOTICED or len(row["said"]) < 20]


@pytest.fixture
def as_for_users() -> Iterator[None]:
    """Without the checks of types and shapes that only tests have."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("as_for_users")
@pytest.mark.parametrize(
    ("case", "row"), list(zip(CASES, FOUND["rows"], strict=False)), ids=lambda x: getattr(x, "wrong", "")
)
def test_a_mistake_gives_what_the_page_says(case: Case, row: dict[str, str]) -> None:
    found = bad_inputs.outcome(case)
    assert found["when"] == row["when"]
    if SAME:  # others word some errors in their own way
        assert found["said"] == row["said"]


def fails() -> None:
    raise ValueError("`a` must be | 1.23456,\n got \x1b[1m_it_.")


def test_what_an_error_becomes() -> None:
    assert bad_inputs.outcome(Case("one", fails)) == {
        "wrong": "one",
        "when": "configuration",
        "said": "`a` must be | 1.23, got _it_.",
    }
    assert bad_inputs.table([bad_inputs.outcome(Case("one", fails))]).splitlines()[2] == (
        r"| one | configuration | `a` must be \| 1.23, got \_it\_. |"
    )
    nothing = bad_inputs.outcome(Case("two", lambda: warnings.warn("of others", stacklevel=1)))
    assert nothing == {"wrong": "two", "when": bad_inputs.NOT_NOTICED, "said": ""}
    assert bad_inputs.outcome(Case("three", lambda: exec("raise OSError")))["said"] == "OSError"


def test_long_messages_are_cut_at_a_word() -> None:
    cut = bad_inputs.one_line("usage `word " * 100)
    assert len(cut) <= bad_inputs.LONGEST + 4
    assert cut.endswith(" ...")
    assert bad_inputs.table([{"wrong": "", "when": "", "said": "`a` b `c"}]).endswith("| `a` b c |")
