"""What the site needs beside MkDocs: docstrings write formulas as reStructuredText does, the site shows Markdown."""

import re
import tomllib
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

BLOCK = re.compile(
    r"^(?P<margin> *)\.\. math:: *(?P<first>.*)\n(?P<rest>(?:(?P=margin) +\S.*\n|[ ]*\n(?=(?P=margin) ))*)"
)
ROLE = re.compile(r":math:`([^`]+)`")
LINK = re.compile(r":(?:func|class|meth|mod|attr|ref|doc|data|exc):`~?([^`]+)`")
LEFT_OVER = re.compile(r"\.\. \w+::|:(?:math|func|class|meth|mod|attr|ref|doc|data|exc):")


def markdown_of(text: str) -> str:
    """Formulas and names written as in reStructuredText, as Markdown for arithmatex.

    Args:
        text: Lines of a docstring or of a page.
    """
    lines = re.sub(BLOCK.pattern, _formula, text + "\n", flags=re.MULTILINE)
    # A role may be broken over two lines.
    return LINK.sub(r"`\1`", ROLE.sub(lambda found: rf"\({' '.join(found[1].split())}\)", lines)).removesuffix("\n")


def _formula(found: re.Match[str]) -> str:
    tex = f"{found['first']}\n{dedent(found['rest'])}".strip()
    tex = re.sub(r"\n\s*\n", "\n", tex)
    if r"\\" in tex:  # Sphinx aligns such lines by itself
        tex = f"\\begin{{aligned}}\n{tex}\n\\end{{aligned}}"
    return indent(f"\n$$\n{tex}\n$$\n\n", found["margin"])


class _Roles(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        return markdown_of("\n".join(lines)).split("\n")


class _Docstrings(Extension):
    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        md.preprocessors.register(_Roles(md), "rst_roles", 29)  # once white space is normal, before fenced code


def on_config(config: Any) -> Any:
    """Read reStructuredText's formulas in every page and docstring; take the addresses from pyproject.toml.

    Args:
        config: MkDocs'.
    """
    config.markdown_extensions.append(_Docstrings())
    urls = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["urls"]
    config.site_url, config.repo_url = urls["Documentation"], urls["Repository"]
    config.repo_name = urls["Repository"].removeprefix("https://github.com/")
    return config


def left_over(html: str) -> list[str]:
    """What no one has turned into Markdown.

    Args:
        html: Of a page.
    """
    return LEFT_OVER.findall(html)


def on_post_page(output: str, page: Any, config: Any) -> str:  # noqa: ARG001
    """Fail where a page shows raw reStructuredText.

    Args:
        output: The page's HTML.
        page: MkDocs'.
        config: MkDocs'.
    """
    if found := left_over(output):
        from mkdocs.exceptions import PluginError

        raise PluginError(f"`{page.file.src_uri}` must hold no reStructuredText, got {sorted(set(found))}.")
    return output
