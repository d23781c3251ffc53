"""The shape of the package: who may import whom, and what every file of it keeps to."""

import ast
from collections.abc import Callable, Mapping
from importlib.util import resolve_name
from pathlib import Path

import pytest

PACKAGE = "lightning_autobalance"
SRC = Path(__file__).parents[1] / "src"
FILES = sorted((SRC / PACKAGE).rglob("*.py"))
RING = {  # a file imports from smaller numbers and from its own room only
    "shapes": 0,
    "utils": 0,
    "metrics": 1,
    "derivatives": 1,
    "points": 1,
    "nets": 1,
    "jacobian": 1,
    "balancing": 2,
    "optim": 2,
    "variants": 3,
    "step": 4,
    "training": 5,
    "field": 6,
    "checks": 7,
    "module": 8,
    "data": 9,
    "dropin": 9,
    "problems": 10,
    "callbacks": 10,
    "advice": 11,
    "sweeps": 11,
    "scaffold": 11,
    "cli": 12,
    "__main__": 13,
    "__init__": 13,  # of the package: it exports lazily, so it is the outermost
}
FIRST_RING_WITH_LIGHTNING = 5
LIGHTNING = {"lightning", "pytorch_lightning", "lightning_fabric"}
MAX_LINES = 400
MAX_FILES_AT_TOP = 8  # "module.py", "data.py", ...; everything else is in a room


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
        if room != own and RING[room] >= RING[own]:
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


def import_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """By file, the files that it imports anywhere, under ``TYPE_CHECKING`` too.

    A package's ``__init__`` counts as a file only where a name is taken from it that is no file of its own.
    """
    modules = {file.removesuffix(".py").removesuffix("/__init__").replace("/", "."): file for file in sources}
    graph: dict[str, set[str]] = {}
    for file, source in sources.items():
        names = imported(Path(file), source)
        found = {modules.get(name) or modules.get(name.rpartition(".")[0]) for name in names}
        graph[file] = {other for other in found if other is not None} - {file}
    return graph


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Files that import each other in a circle, or none."""
    done: set[str] = set()

    def visit(file: str, path: list[str]) -> list[str]:
        if file in path:
            return path[path.index(file) :]
        if file in done:
            return []
        for other in sorted(graph[file]):
            if found := visit(other, [*path, file]):
                return found
        done.add(file)
        return []

    return next((found for file in sorted(graph) if (found := visit(file, []))), [])


def offenders(check: Callable[[Path], list[str]]) -> dict[str, list[str]]:
    """By file, what a check finds wrong, where it finds something."""
    found = {str(path.relative_to(SRC / PACKAGE)): check(path) for path in FILES}
    return {file: wrong for file, wrong in found.items() if wrong}


def test_there_are_files_to_check() -> None:
    assert {room_of(path.relative_to(SRC)) for path in FILES} >= {"shapes", "module", "cli", "__init__"}


def test_every_room_has_a_ring() -> None:
    rooms = {room_of(path.relative_to(SRC)) for path in FILES}
    assert not rooms - RING.keys(), f"give these a ring in RING: {sorted(rooms - RING.keys())}"
    assert not RING.keys() - rooms, f"these are gone, drop them from RING: {sorted(RING.keys() - rooms)}"


def test_few_files_lie_outside_a_room() -> None:
    top = sorted(path.name for path in FILES if path.parent.name == PACKAGE)
    assert len(top) <= MAX_FILES_AT_TOP, top


def test_imports_point_inward() -> None:
    assert not offenders(lambda path: wrong_imports(path.relative_to(SRC), path.read_text()))


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circle(import_graph({str(path.relative_to(SRC)): path.read_text() for path in FILES})) == []


def test_nothing_prints_or_asserts() -> None:
    assert not offenders(lambda path: forbidden_statements(path.read_text()))


def test_all_that_is_public_has_a_docstring() -> None:
    assert not offenders(lambda path: undocumented(path.read_text()))


def test_files_are_short() -> None:
    def too_long(path: Path) -> list[str]:
        lines = len(path.read_text().splitlines())
        return [f"{lines} lines"] if lines > MAX_LINES else []

    assert not offenders(too_long)


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
        ("checks/trainer.py", "if TYPE_CHECKING:\n    from lightning_autobalance.module import PINNModule"),
        ("step/losses.py", "from lightning_autobalance.training import schedulers"),
        ("step/losses.py", "from lightning.pytorch.utilities import rank_zero_warn"),
        ("sweeps/training.py", "from lightning_autobalance.cli import main"),
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
        ("module.py", "from lightning_autobalance import checks\nfrom lightning.pytorch import LightningModule"),
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


def test_circles_are_found() -> None:
    package = f"{PACKAGE}/nets"
    a, b, init = f"{package}/a.py", f"{package}/b.py", f"{package}/__init__.py"
    name = f"{PACKAGE}.nets"
    plain = {init: f"from {name}.a import A\nfrom {name}.b import B", a: f"from {name}.b import B", b: "import torch"}
    assert circle(import_graph(plain)) == []
    assert circle(import_graph(plain | {b: f"if TYPE_CHECKING:\n    from {name}.a import A"})) == [a, b]
    assert circle(import_graph(plain | {b: f"def f():\n    from {name} import a"})) == [a, b]
    assert circle(import_graph(plain | {b: f"from {name} import A"})) == [init, a, b]
