from __future__ import annotations

import os
from pathlib import Path

import pytest

from nbspy.target import source_lines
from nbspy.target.source_lines import SourceLines


def lines(folder: Path) -> SourceLines:
    return SourceLines(lambda name: str(folder / name))


def test_given_a_file_then_its_lines_are_counted_from_one(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes("first\n    sécond\n".encode() + b"\xff third")
    source = lines(tmp_path)
    assert [source.line("x.py", number) for number in (0, 1, 2, 3, 4, -1)] == [
        *("", "first", "    sécond", "\N{REPLACEMENT CHARACTER} third", "", "")
    ]


@pytest.mark.parametrize("name", ["", "missing.py", "<string>", "with\0nul", "folder", "pipe", "/dev/zero"])
def test_given_what_is_no_readable_file_then_there_is_no_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert lines(tmp_path).line(name, 1) == ""


def test_given_a_file_of_any_size_then_no_more_is_read_than_a_source_file_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_lines, "MAX_FILE_BYTES", 10)
    (tmp_path / "large.py").write_text("x" * 11)
    (tmp_path / "small.py").write_text("x" * 10)
    assert lines(tmp_path).line("large.py", 1) == ""
    assert lines(tmp_path).line("small.py", 1) == "x" * 10
