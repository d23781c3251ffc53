"""Every ready problem is in the gallery, with its picture, and the page is what the command writes."""

import json
from pathlib import Path

import pytest

from benchmarks import gallery
from benchmarks.docs import between
from benchmarks.race.clock import BUDGETS
from lightning_autobalance import PINNModule, problems

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / gallery.PAGE).read_text()


def test_the_committed_page_is_what_the_command_writes() -> None:
    for name, body in gallery.blocks(ROOT / "results").items():
        assert between(TEXT, name, body) == TEXT, "run python -m benchmarks gallery"


@pytest.mark.parametrize("name", problems.__all__)
def test_every_ready_problem_is_there(name: str) -> None:
    entry = TEXT.split(f"### {name}\n")[1].split("\n### ")[0]
    assert f"fit --config @{gallery.configs(name)[0]}`" in entry
    assert entry.count("$$") == 2
    assert f"[![{name}](images/gallery/{gallery.picture(name)})](#{name.lower()})" in TEXT
    picture = (ROOT / gallery.PICTURES / gallery.picture(name)).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 30_000


def test_no_picture_is_left_over() -> None:
    drawn = {path.name for path in (ROOT / gallery.PICTURES).iterdir()}
    assert drawn == {gallery.picture(name) for name in problems.__all__}


def test_the_recommended_configuration_is_named_last() -> None:
    assert gallery.configs("Helmholtz2D") == ["helmholtz_2d", "helmholtz_2d_quick", "best/helmholtz_2d"]


def test_the_lowest_error_of_all_results_counts(tmp_path: Path) -> None:
    assert gallery.best("Burgers1D", tmp_path) is None
    line = {"row": "burgers_1d", "contender": "recommended", "setting": "small", "budget": BUDGETS[0]}
    history = [{"seconds": 1.0, "errors": {"own": error}} for error in (1.0,)]
    runs = [
        {**line, "seed": 0, "history": [*history, {"seconds": 100.0, "errors": {"own": 1e-3}}]},
        {**line, "seed": 0, "budget": BUDGETS[1], "history": [*history, {"seconds": 500.0, "errors": {"own": 1e-5}}]},
        {**line, "seed": 0, "contender": "pina", "history": [{"seconds": 1.0, "errors": {"own": 1e-9}}]},
    ]
    (tmp_path / "race.jsonl").write_text("".join(f"{json.dumps(run)}\n" for run in runs))
    assert gallery.best("Burgers1D", tmp_path) == (1e-5, BUDGETS[1], 1)


def test_a_run_in_words() -> None:
    assert gallery.run(None) == "none yet."
    assert gallery.run(gallery.Best(2e-6, 299.4, 5)) == "relative L2 error 2.0e-06 after 299 CPU s (median of 5 seeds)."


def test_the_reference_says_how_good_it_is() -> None:
    assert gallery.solution("Helmholtz2D") == "exact."
    assert gallery.solution("CavityInverse") == gallery.solution("LidDrivenCavity")
    assert "2e-02 (p)" in gallery.solution("LidDrivenCavity")


def test_a_problem_needs_its_equation() -> None:
    class Without(PINNModule):
        """A docstring of one line."""

    with pytest.raises(ValueError, match=r"`Without` must have its equation under `\.\. math::`"):
        gallery.described(Without)
