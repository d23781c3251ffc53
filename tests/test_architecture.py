"""The shape of the package: who may import whom, and what every file of it keeps to."""

import ast
from importlib.util import resolve_name
from pathlib import Path

import pytest

PACKAGE = "lightning_autobalance"
SRC = Path(__file__).parents[1] / "src"
FILES = sorted((SRC / PACKAGE).rglob("*.py"))
RING = {
    "shapes": 0,
    "metrics": 1,
    "utils": 0,
    "derivatives": 1,
    "jacobian": 1,
    "reduction": 1,
    "points": 1,
    "nets": 1,
    "balancing": 2,
    "optim": 2,
    "graph_points": 2,
    "variants": 3,
    "gradients": 3,
    "training": 4,
    "guard": 4,
    "compilation": 4,
    "passes": 4,
    "recordings": 4,
    "step_graph": 4,
    "capturing": 4,
    "replays": 4,
    "checks": 4,
    "field": 4,
    "kernels": 4,
    "variation": 4,
    "module": 4,
    "data": 4,
    "dropin": 4,
    "problems": 6,
    "callbacks": 6,
    "sweeps": 7,
    "scaffold": 7,
    "cli": 8,
    "__main__": 9,
    "__init__": 9,  # of the package: it exports lazily, so it is the outermost
}
FIRST_RING_WITH_LIGHTNING = 4
ONE_ROOM = (
    {
        "training",
        "guard",
        "checks",
        "field",
        "kernels",
        "variation",
        "compilation",
        "passes",
        "recordings",
        "step_graph",
        "capturing",
        "replays",
        "module",
        "data",
        "dropin",
    },
)  # files that may import each other
LIGHTNING = {"lightning", "pytorch_lightning", "lightning_fabric"}
MAX_LINES = 400


def room_of(file: Path) -> str:
    """The file or folder of the package that a file, relative to src, belongs to."""
    return file.parts[1].removesuffix(".py")


def imported(file: Path, source: str) -> list[str]:
    """Dotted names of what a file imports anywhere, relative imports resolved."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), ".".join(file.parent.parts))
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names


def wrong_imports(file: Path, source: str) -> list[str]:
    """What a file imports from a room that is not further inside than its own, and Lightning where it is too deep."""
    own, wrong = room_of(file), []
    for name in imported(file, source):
        top, *rest = name.split(".")
        if top in LIGHTNING and RING[own] < FIRST_RING_WITH_LIGHTNING:
            wrong.append(name)
        if top != PACKAGE or rest == ["__version__"]:
            continue
        room = rest[0] if rest and rest[0] in RING else "__init__"
        together = room == own or any({own, room} <= rooms for rooms in ONE_ROOM)
        if not together and RING[room] >= RING[own]:
            wrong.append(name)
    return wrong


def forbidden_statements(source: str) -> list[str]:
    """Calls of `print` and `assert` statements, with their lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assert):
            found.append(f"assert, line {node.lineno}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            found.append(f"print, line {node.lineno}")
    return found


def undocumented(source: str) -> list[str]:
    """The module and its public classes, functions and methods that have no docstring."""
    tree = ast.parse(source)
    return ([] if ast.get_docstring(tree) else ["module"]) + _undocumented_members(tree, "")


def _undocumented_members(parent: ast.Module | ast.ClassDef, prefix: str) -> list[str]:
    missing = []
    for node in parent.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node) and not _continues_another(node):
            missing.append(prefix + node.name)
        if isinstance(node, ast.ClassDef):
            missing += _undocumented_members(node, f"{prefix}{node.name}.")
    return missing


def _continues_another(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is an overload or a property's setter, whose docstring stands elsewhere."""
    names = {ast.unparse(decorator).rsplit(".", 1)[-1] for decorator in node.decorator_list}
    return bool(names & {"overload", "setter", "deleter"})


@pytest.fixture(params=FILES, ids=lambda path: str(path.relative_to(SRC / PACKAGE)))
def path(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_there_are_files_to_check() -> None:
    assert {room_of(path.relative_to(SRC)) for path in FILES} >= {"shapes", "module", "cli", "__init__"}


def test_every_room_has_a_ring() -> None:
    rooms = {room_of(path.relative_to(SRC)) for path in FILES}
    assert not rooms - RING.keys(), f"give these a ring in RING: {sorted(rooms - RING.keys())}"
    assert not RING.keys() - rooms, f"these are gone, drop them from RING: {sorted(RING.keys() - rooms)}"


def test_rooms_of_several_files_lie_in_one_ring() -> None:
    assert all(len({RING[name] for name in rooms}) == 1 for rooms in ONE_ROOM)


def test_imports_point_inward(path: Path) -> None:
    assert not wrong_imports(path.relative_to(SRC), path.read_text())


def test_nothing_prints_or_asserts(path: Path) -> None:
    assert not forbidden_statements(path.read_text())


def test_all_that_is_public_has_a_docstring(path: Path) -> None:
    assert not undocumented(path.read_text())


def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_LINES


# The checks themselves, on constructed sources: each must be able to fail.


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("nets/mlp.py", "from lightning_autobalance.optim import AutoAdamW"),  # outward
        ("nets/mlp.py", "from lightning_autobalance.points import Box"),  # sideways
        ("nets/mlp.py", "import lightning_autobalance.module"),
        ("nets/mlp.py", "import lightning_autobalance"),
        ("nets/mlp.py", "from lightning_autobalance import AutoAdamW"),  # through the package
        ("nets/mlp.py", "from lightning_autobalance import points"),
        ("nets/mlp.py", "from lightning_autobalance import *"),
        ("nets/mlp.py", "from ..module import PINNModule"),
        ("nets/mlp.py", "def f():\n    from lightning_autobalance.module import PINNModule"),
        ("nets/mlp.py", "if TYPE_CHECKING:\n    from lightning_autobalance.module import PINNModule"),
        ("jacobian/terms.py", "from lightning_autobalance.derivatives import partials"),
        ("callbacks/plot.py", "from lightning_autobalance.problems import Helmholtz2D"),
        ("cli/run.py", "from lightning_autobalance import PINNModule"),
        ("variants/rba.py", "from lightning.pytorch import Trainer"),
        ("variants/rba.py", "import lightning"),
        ("variants/rba.py", "import pytorch_lightning as pl"),
    ],
)
def test_a_wrong_import_is_found(file: str, source: str) -> None:
    assert len(wrong_imports(Path(PACKAGE, file), source)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("nets/mlp.py", "import torch\nfrom torch import nn"),
        ("nets/mlp.py", "from lightning_autobalance.shapes import Points"),
        ("nets/mlp.py", "from lightning_autobalance.nets.activations import Sine"),
        ("nets/__init__.py", "from .mlp import MLP"),
        ("variants/rba.py", "import lightning_utilities"),
        ("module.py", "from lightning_autobalance import guard\nfrom lightning.pytorch import LightningModule"),
        ("data.py", "from lightning_autobalance.module import PINNModule"),
        ("cli/run.py", "from lightning_autobalance import __version__"),
        ("__main__.py", "from lightning_autobalance.cli import main"),
    ],
)
def test_a_right_import_is_let_through(file: str, source: str) -> None:
    assert not wrong_imports(Path(PACKAGE, file), source)


def test_print_and_assert_are_found() -> None:
    assert forbidden_statements("x = 1\nassert x\nprint(x)") == ["assert, line 2", "print, line 3"]
    assert not forbidden_statements("console.print('assert')")


def test_missing_docstrings_are_found() -> None:
    methods = "    def f(self): ...\n    def _g(self): ...\n"
    assert undocumented(f"class A:\n{methods}def h():\n    'It has one.'\nclass _B:\n{methods}") == [
        "module",
        "A",
        "A.f",
    ]
    assert not undocumented("'A module.'\n@overload\ndef f(): ...")
