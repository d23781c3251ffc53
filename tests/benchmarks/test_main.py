"""`python -m benchmarks` lists every command and runs the one that is named."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command_line
from benchmarks.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[2]


def modules_with_main() -> dict[str, ast.FunctionDef]:
    """The function `main` of every module that has one, by the module's name below `benchmarks`."""
    found = {}
    for path in sorted((ROOT / "benchmarks").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "benchmarks").with_suffix("").parts)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name == "main" and name != "__main__":
                found[name] = node
    return found


def test_every_module_with_a_main_is_a_command() -> None:
    assert sorted(modules_with_main()) == sorted(module for module, _ in COMMANDS.values())


def test_every_main_takes_the_command_line() -> None:
    signatures = {name: ast.unparse(node.args) for name, node in modules_with_main().items()}
    assert set(signatures.values()) == {"args: list[str]"}, signatures


def test_help_lists_every_command_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(COMMANDS)
    assert all(purpose in line for line, (_, purpose) in zip(lines[2:], COMMANDS.values(), strict=True))
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(("line", "found"), [(["no_such_command"], "got `no_such_command`"), ([], "got none")])
def test_an_unknown_command_ends_with_the_list(line: list[str], found: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(line)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(command_line.usage())
    assert said.endswith(f"error: `COMMAND` must be one of those above, {found}.\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_names_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m benchmarks {name} ")


def test_the_list_imports_no_command() -> None:
    code = "import sys; from benchmarks.__main__ import main; main(['--help']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "reproduce" in done.stdout


def test_the_package_imports_no_benchmark() -> None:
    wrong = [
        f"{path.name}:{node.lineno}"
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "benchmarks" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "benchmarks")
    ]
    assert wrong == []
