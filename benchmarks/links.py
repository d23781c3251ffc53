"""Addresses of the project, as pyproject.toml has them."""

import tomllib
from pathlib import Path

URLS: dict[str, str] = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["urls"]


def address(path: str) -> str:
    """Where a file of the repository is read, for the README: PyPI shows that, too, and has no other file.

    Args:
        path: From the root of the repository.
    """
    return f"{URLS['Repository']}/blob/main/{path}"
