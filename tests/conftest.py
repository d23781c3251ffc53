"""Which tests run together."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what must run without checks of shapes in signatures; `test_compilation.py` starts it."""
    return True if collection_path.name == "compiled" and config.getoption("jaxtyping_packages", None) else None
