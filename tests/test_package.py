"""What surrounds the code: metadata, pins, changelog, citation, README."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import lightning_autobalance
from lightning_autobalance.cli.packaged_configs import find

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = (ROOT / "README.md").read_text()
CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}  # the words of Keep a Changelog


def block_under(marker: str) -> str:
    """What stands in the fenced block right under a marker of the README; .ci/run reads it in the same way."""
    blocks: list[str] = re.findall(rf"^<!-- {marker} -->\n```\w*\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1, f"README.md must have one fenced block right under <!-- {marker} -->"
    return blocks[0]


def pins() -> dict[str, Version]:
    """The lines of constraints.txt, by normalized name."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    pairs = [line.split("==") for line in lines]
    assert len({name for name, _ in pairs}) == len(pairs), "a package is pinned twice"
    return {name: Version(number) for name, number in pairs}


def dependencies() -> list[Requirement]:
    """All requirements that pyproject.toml names, extras too, the package's own extras left out."""
    project = PYPROJECT["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return [need for need in map(Requirement, lines) if need.name != project["name"]]


def test_version_is_that_of_pyproject() -> None:
    assert lightning_autobalance.__version__ == version("lightning-autobalance") == PYPROJECT["project"]["version"]


def test_every_export_is_there() -> None:
    assert [name for name in lightning_autobalance.__all__ if not hasattr(lightning_autobalance, name)] == []
    assert set(lightning_autobalance.__all__) <= set(dir(lightning_autobalance))


def test_package_is_marked_as_typed() -> None:
    marker = "py.typed"
    assert (ROOT / "src" / "lightning_autobalance" / marker).is_file()
    assert marker in PYPROJECT["tool"]["setuptools"]["package-data"]["lightning_autobalance"]


def test_constraints_are_exact_pins() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    # no `+cpu`: such a wheel satisfies the pin, too
    pin = re.compile(r"#.*|[a-z0-9]+(-[a-z0-9]+)*==[0-9]+(\.[0-9]+)*(\.post[0-9]+)?")
    assert [line for line in lines if not pin.fullmatch(line)] == []


@pytest.mark.parametrize("need", dependencies(), ids=str)
def test_constraints_cover_every_dependency(need: Requirement) -> None:
    name = canonicalize_name(need.name)
    assert name in pins(), f"{name} has no line in constraints.txt"
    assert need.specifier.contains(pins()[name])


def test_changelog_keeps_its_structure() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    assert lines[0] == "# Changelog"
    unreleased, *released = [line for line in lines if line.startswith("## ")]
    assert unreleased == "## [Unreleased]"
    matches = [re.fullmatch(r"## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}", line) for line in released]
    assert all(matches), f"headings must read `## [1.2.3] - 2026-01-31`, got {released}"
    versions = [Version(match.group(1)) for match in matches if match]
    assert versions == sorted(set(versions), reverse=True)
    assert {line.removeprefix("### ") for line in lines if line.startswith("### ")} <= CHANGES


def test_changelog_has_an_entry_under_every_heading() -> None:
    sections = re.split(r"^### .*$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]
    assert sections
    assert all(section.lstrip().startswith("- ") for section in sections)


def test_citation_names_the_three_works() -> None:
    citation: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"title", "message", "authors"} <= citation.keys()
    assert citation["license"] == PYPROJECT["project"]["license"]
    works = [citation["preferred-citation"], *citation["references"]]
    assert [work["identifiers"][0]["value"] for work in works] == [
        "arXiv:2510.06684",  # AutoBalance
        "arXiv:2211.15055",  # AdaTask
        "arXiv:2306.02816",  # MultiAdam
    ]
    assert [work["title"].split(":")[0] for work in works] == ["AutoBalance", "AdaTask", "MultiAdam"]
    assert [work["authors"][0]["family-names"] for work in works] == ["An", "Yang", "Yao"]


@pytest.mark.parametrize("marker", ["ci:run", "ci:test"])
def test_readme_command_is_one_line_that_sets_up_all(marker: str) -> None:
    command = block_under(marker)
    assert "\n" not in command
    create, torch_first, package, _ = command.split(" && ")
    assert create == "python3 -m venv .venv"
    assert torch_first == ".venv/bin/pip install -q -c constraints.txt torch"
    assert package.startswith(".venv/bin/pip install -q -c constraints.txt -e ")


def test_readme_trains_a_configuration_that_is_there() -> None:
    *_, train = block_under("ci:run").split(" && ")
    match = re.fullmatch(r"\.venv/bin/lightning fit --config (\S+)", train)
    assert match
    assert (ROOT / match.group(1)).is_file()


def test_readme_trains_from_pip_alone() -> None:
    assert "\n```bash\npip install lightning-autobalance\n" in README
    names = re.findall(r"--config @([\w/]+)", README)
    assert len(names) > 2
    assert all(find(name).is_file() for name in names)


def test_readme_tests_with_the_test_extra() -> None:
    *_, package, run = block_under("ci:test").split(" && ")
    assert '".[test]"' in package
    assert ".venv/bin/pytest" in run


def test_readme_is_short_and_shows_a_picture() -> None:
    assert len(README.splitlines()) <= 150
    assert README.count("raw/main/docs/images/") == 1


def links() -> list[str]:
    """What the README links to, images too."""
    return re.findall(r"\]\(([^)\s]+)\)", README)


def test_every_link_of_the_readme_is_absolute_and_leads_somewhere() -> None:
    repository = PYPROJECT["project"]["urls"]["Repository"]
    elsewhere = ("https://arxiv.org/abs/", "https://img.shields.io/", "https://pypi.org/project/lightning-autobalance/")
    assert len(links()) > 20
    assert [link for link in links() if not link.startswith((f"{repository}/", *elsewhere))] == []
    for link in links():
        kind, _, rest = link.removeprefix(f"{repository}/").partition("/main/")
        path, _, anchor = rest.partition("#")
        if kind in ("blob", "raw"):
            assert (ROOT / path).is_file(), link
            assert not anchor or anchor in anchors(ROOT / path), link
        elif "/workflows/" in link:
            assert (ROOT / ".github" / "workflows" / link.split("/workflows/")[1].split("/")[0]).is_file(), link


def anchors(page: Path) -> set[str]:
    """The headings of a page as the site names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_addresses_have_one_source() -> None:
    urls, citation = PYPROJECT["project"]["urls"], yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["repository-code"] == urls["Repository"]
    assert citation["version"] == PYPROJECT["project"]["version"]
    assert all(url.startswith(urls["Repository"]) for name, url in urls.items() if name != "Documentation")
