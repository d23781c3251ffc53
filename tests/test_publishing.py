"""What publishes the package, parsed and held to the truth: workflows, the site's builder, templates, metadata."""

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
TOOLS = {"python", "ruff", "mypy", "pytest", "mkdocs", "twine", "uv", "test", *PROJECT["scripts"]}
SYSTEMS = {"ubuntu-latest": "Operating System :: POSIX :: Linux", "macos-latest": "Operating System :: MacOS"}
ONLY_POSIX = {
    "crypt",
    "curses",
    "fcntl",
    "grp",
    "posix",
    "pty",
    "pwd",
    "readline",
    "resource",
    "syslog",
    "termios",
    "tty",
}
ONLY_POSIX_SIGNALS = {"SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2"}


def loaded(path: Path) -> dict[str, Any]:
    """A YAML file; `on` of workflows, which YAML 1.1 reads as true, under its name."""
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in found.items()}


def jobs(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = loaded(path)["jobs"]
    return found


def steps() -> list[dict[str, Any]]:
    return [step for path in WORKFLOWS for job in jobs(path).values() for step in job["steps"]]


def commands() -> list[str]:
    """What is run by the workflows and by the site's builder."""
    site = loaded(ROOT / ".readthedocs.yaml")["build"]["jobs"]
    lines = [line for step in steps() if "run" in step for line in step["run"].splitlines()]
    return [*lines, *(line for lines in site.values() for line in lines)]


def classified(prefix: str) -> set[str]:
    return {line.removeprefix(prefix) for line in PROJECT["classifiers"] if line.startswith(prefix)}


def extras_in(line: str) -> set[str]:
    return {extra for found in re.findall(r"\.\[([\w,]+)\]", line) for extra in found.split(",")}


def problems_of(line: str) -> list[str]:
    """What a line runs or reads that is not there."""
    words = shlex.split(line, comments=True)
    wrong = [words[0]] if words[0] not in TOOLS else []
    wrong += [b for a, b in pairwise(words) if a == "-c" and not (ROOT / b).is_file()]
    return wrong + sorted(extras_in(line) - PROJECT["optional-dependencies"].keys())


def test_there_is_something_to_check() -> None:
    assert {path.stem for path in WORKFLOWS} == {"tests", "docs", "build"}
    assert len(commands()) > 15
    assert len(TEMPLATES) == 3


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_the_shape_of_one(path: Path) -> None:
    workflow = loaded(path)
    assert workflow["name"] == path.stem
    assert {"push", "pull_request"} <= workflow["on"].keys()
    assert workflow["permissions"] == {"contents": "read"}  # least by default
    for job in workflow["jobs"].values():
        assert job["runs-on"] in (*SYSTEMS, "${{ matrix.os }}")
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
        needed = job.get("needs", [])
        assert {*([needed] if isinstance(needed, str) else needed)} <= workflow["jobs"].keys()


def test_every_action_has_a_version() -> None:
    used = [step["uses"] for step in steps() if "uses" in step]
    assert [each for each in used if not re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", each)] == []


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_every_command_exists_and_so_does_what_it_reads(line: str) -> None:
    assert problems_of(line) == []


def test_a_command_that_does_not_exist_is_found() -> None:
    assert problems_of('tox -c no_such.txt -e ".[test,no_such_extra]"') == ["tox", "no_such.txt", "no_such_extra"]


def test_configurations_of_commands_are_written_before() -> None:
    (fit,) = (line for line in commands() if " fit " in line)
    assert f"lightning-autobalance new {fit.split('--config ')[1].split('.yaml')[0]}" in commands()


def test_the_matrix_is_what_the_classifiers_say() -> None:
    matrix = jobs(ROOT / ".github/workflows/tests.yml")["pinned"]["strategy"]["matrix"]
    versions = {each for each in classified("Programming Language :: Python :: ") if "." in each}
    assert set(matrix["python"]) == versions
    assert {SYSTEMS[each] for each in matrix["os"]} == {
        f"Operating System :: {s}" for s in classified("Operating System :: ")
    }
    assert PROJECT["requires-python"] == f">={min(versions, key=lambda each: int(each.split('.')[1]))}"


def test_every_python_is_one_of_the_classifiers() -> None:
    given = [step["with"]["python-version"] for step in steps() if "setup-python" in step.get("uses", "")]
    site = loaded(ROOT / ".readthedocs.yaml")["build"]["tools"]["python"]
    assert {*given, site} - {"${{ matrix.python }}"} <= classified("Programming Language :: Python :: ")


def test_oldest_newest_and_pinned_versions_are_tested() -> None:
    found = jobs(ROOT / ".github/workflows/tests.yml")
    runs = {name: " ".join(step.get("run", "") for step in job["steps"]) for name, job in found.items()}
    assert "-c constraints.txt" in runs["pinned"]
    assert "--resolution lowest-direct" in runs["minimum"]
    assert "constraints" not in runs["latest"] + runs["minimum"]
    assert all("pytest" in runs[name] for name in ("pinned", "latest", "minimum", "slow"))


def test_publishing_needs_a_tag_and_no_secret() -> None:
    text = (ROOT / ".github/workflows/build.yml").read_text()
    publish = jobs(ROOT / ".github/workflows/build.yml")["publish"]
    assert "secrets." not in text
    assert publish["if"] == "startsWith(github.ref, 'refs/tags/v')"
    assert publish["permissions"] == {"id-token": "write"}
    assert {"build", "wheel"} <= set(publish["needs"])
    (line,) = (step["run"] for step in publish["steps"] if "run" in step)
    assert f"dist/{canonicalize_name(PROJECT['name']).replace('-', '_')}-${{GITHUB_REF_NAME#v}}.tar.gz" in line


def test_the_site_is_built_as_here() -> None:
    site = loaded(ROOT / ".readthedocs.yaml")
    assert site["version"] == 2
    assert site["mkdocs"]["fail_on_warning"] is True
    assert (ROOT / site["mkdocs"]["configuration"]).is_file()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_an_issue_template_is_a_form(path: Path) -> None:
    form = loaded(path)
    assert {"name", "description", "body"} <= form.keys()
    asked = [field for field in form["body"] if field["type"] == "textarea"]
    assert asked
    assert all(field["attributes"]["label"] for field in asked)
    assert len({field["id"] for field in asked}) == len(asked)


def test_zenodo_says_what_pyproject_says() -> None:
    found = json.loads((ROOT / ".zenodo.json").read_text())
    assert (found["title"], found["version"], found["license"]) == (PROJECT["name"], PROJECT["version"], "MIT")
    assert set(found["keywords"]) <= set(PROJECT["keywords"])
    identifiers = {each["identifier"] for each in found["related_identifiers"]}
    assert {"arXiv:2510.06684", PROJECT["urls"]["Repository"]} <= identifiers


# Windows.


def only_posix(source: str) -> Iterator[str]:
    """Names that Windows does not have and that a file asks for when it is imported."""
    for node in at_import(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ONLY_POSIX & {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names} if node.module == "signal" else set()
            yield from (ONLY_POSIX & {(node.module or "").partition(".")[0]}) | (ONLY_POSIX_SIGNALS & names)
        elif isinstance(node, ast.Attribute) and node.attr in ONLY_POSIX_SIGNALS:
            yield node.attr


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: everything but the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from at_import(child)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import resource", ["resource"]),
        ("class A:\n    import fcntl", ["fcntl"]),
        ("import signal\nS = signal.SIGUSR1", ["SIGUSR1"]),
        ("from signal import SIGKILL, SIGTERM", ["SIGKILL"]),
        ("import signal\nS = signal.SIGTERM\ndef f():\n    import resource\n    signal.SIGUSR1", []),
        ("from importlib import resources", []),
    ],
)
def test_what_only_posix_has_is_found(source: str, found: list[str]) -> None:
    assert list(only_posix(source)) == found


def test_the_classifiers_promise_no_windows_that_cannot_import() -> None:
    needs = {str(path): list(only_posix(path.read_text())) for path in (ROOT / "src").rglob("*.py")}
    promised = classified("Operating System :: ") & {"OS Independent", "Microsoft", "Microsoft :: Windows"}
    assert len(needs) > 100
    assert not promised or not any(needs.values()), f"these need POSIX: {[path for path in needs if needs[path]]}"
    assert classified("Operating System :: ")
