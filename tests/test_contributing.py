"""Every path that CONTRIBUTING.md names exists, and its tree shows the rings that the architecture test holds."""

import re
from pathlib import Path

import pytest

from test_architecture import RING

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "lightning_autobalance"
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w.<>/-]+(?:/|\.(?:py|md|yaml|yml|toml|txt|json|jsonl))|\.?[\w<>-]+(?:/[\w.<>-]+)+")


def paths_in(text: str) -> list[str]:
    """The paths between backticks, outside fenced blocks; ``<name>`` stands for any name."""
    return [span for span in INLINE.findall(FENCED.sub("", text)) if PATH.fullmatch(span)]


def exists(path: str, root: Path, package: Path) -> bool:
    """Whether a path, from the root or from the package, names at least one file or folder."""
    pattern = re.sub(r"<\w+>", "*", path).rstrip("/")
    return any(any(base.glob(pattern)) for base in (root, package))


def rings_in(text: str) -> dict[str, int]:
    """By room, the number beside it in the tree."""
    (tree,) = (block for block in FENCED.findall(text) if "src/lightning_autobalance/" in block)
    rows = re.findall(r"^  ((?:\S+ )*\S+?) +(\d+)  \S", tree, re.MULTILINE)
    return {name.rstrip("/").removesuffix(".py"): int(ring) for names, ring in rows for name in names.split()}


PATHS = sorted(set(paths_in((ROOT / "CONTRIBUTING.md").read_text())))


def test_every_path_exists() -> None:
    assert [path for path in PATHS if not exists(path, ROOT, PACKAGE)] == []


def test_the_tree_shows_every_room_with_its_ring() -> None:
    assert rings_in((ROOT / "CONTRIBUTING.md").read_text()) == RING


def test_paths_are_found() -> None:
    assert {"step/finite.py", "checks/", "module.py", ".ci/run", "configs/method/<method>.yaml"} <= set(PATHS)
    text = "`a/b.py`, `c/`, `d.md`, `.e/run`, `p.jac`, `fit`, `.. math::`, `pip install -e .`\n```\n`f/g.py`\n```\n"
    assert paths_in(text) == ["a/b.py", "c/", "d.md", ".e/run"]


@pytest.mark.parametrize(
    ("path", "there"),
    [("sub/a.py", True), ("sub/", True), ("b.py", True), ("sub/<method>.py", True), ("sub/b.py", False), ("c/", False)],
)
def test_a_missing_path_is_found(path: str, there: bool, tmp_path: Path) -> None:
    package = tmp_path / "src"
    (tmp_path / "sub").mkdir()
    package.mkdir()
    (tmp_path / "sub" / "a.py").touch()
    (package / "b.py").touch()
    assert exists(path, tmp_path, package) is there


def test_rings_are_read_from_a_tree() -> None:
    tree = "```text\nsrc/lightning_autobalance/\n  a.py      0  x 1  y\n  b/ c.py  10  z\ntests/         w\n```\n"
    assert rings_in(tree) == {"a": 0, "b": 10, "c": 10}
