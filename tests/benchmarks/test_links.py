"""Addresses of the README are those of pyproject.toml."""

import pytest

from benchmarks import links


def test_a_file_has_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(links.URLS, "Repository", "https://example.org/a")
    assert links.address("docs/b.md") == "https://example.org/a/blob/main/docs/b.md"
