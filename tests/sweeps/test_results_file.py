"""A results file survives a kill."""

from pathlib import Path

import pytest

from lightning_autobalance.sweeps.results_file import append, mend, read


def test_lines_come_back_as_they_were(tmp_path: Path) -> None:
    path, lines = tmp_path / "r.jsonl", [{"a": 1}, {"b": "two\nlines"}]
    assert list(read(path)) == []
    for line in lines:
        append(path, line)
    before = path.read_bytes()
    mend(path)
    assert path.read_bytes() == before
    assert list(read(path)) == lines


@pytest.mark.parametrize("torn", [b'{"b": 2', b'{"b": "\xc3', b"\0\0\0", b"12"])
def test_half_a_line_is_cut_off(torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    append(path, {"a": 1})
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    with pytest.warns(UserWarning, match=rf"ended in the middle of a line, {len(torn)} bytes; they were cut off"):
        mend(path)
    assert path.read_bytes() == whole


def test_a_file_of_half_a_line_becomes_empty(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"b')
    with pytest.warns(UserWarning, match="4 bytes|3 bytes"):
        mend(tmp_path / "r.jsonl")
    assert (tmp_path / "r.jsonl").read_bytes() == b""
    mend(tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()


def test_a_whole_line_without_its_break_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"a": 1}')
    mend(path)
    append(path, {"b": 2})
    assert list(read(path)) == [{"a": 1}, {"b": 2}]


def test_a_broken_line_elsewhere_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"a": 1}\n{"b\n{"c": 3}\n')
    mend(path)
    with pytest.raises(ValueError, match="one JSON object per line, got something else in line 2"):
        list(read(path))
