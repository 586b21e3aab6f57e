"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nbspy import cli, exporters

OPTIONS = Path(__file__).parents[2] / "docs" / "options.md"


def known_flags(capsys: pytest.CaptureFixture[str]) -> set[str]:
    found: set[str] = set()
    for command in ("record", "top", "dump", "convert", "compare", "view", "processes", "doctor", "recordings"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        found |= set(re.findall(r"(?<![-\w])--?[a-zA-Z][-a-z]*", capsys.readouterr().out))
    return found


def test_given_the_table_of_options_then_each_that_nbspy_is_said_to_have_is_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = known_flags(capsys)
    rows = [line.split("|")[2] for line in OPTIONS.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    ours = {
        flag
        for row in rows
        for code in re.findall(r"`([^`]*)`", row)
        for flag in re.findall(r"(?<!\w)--?\w[-\w]*", code)
    }
    assert len(ours) > 20
    assert ours - {"-m"} <= known


def test_given_the_table_of_formats_then_it_has_them_all() -> None:
    table = OPTIONS.read_text(encoding="utf-8").rpartition("| format |")[2]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [
        name for name in ("nbspy", "html", *exporters.names()) if name in exporters.names()
    ][:2] + [name for name in exporters.names() if name not in ("nbspy", "html")]


def test_given_the_table_of_the_explorer_then_the_tests_that_it_names_are_there() -> None:
    root = Path(__file__).parents[2]
    named = re.findall(
        r"`([\w/.]+\.(?:py|ts))(?:::(\w+))?`", (root / "docs" / "explorer.md").read_text(encoding="utf-8")
    )
    tests = [(file, name) for file, name in named if "test" in file]
    assert len(tests) > 30
    for file, name in tests:
        place = root / file if file.startswith("js/") else root / "tests" / file
        assert not name or f"def {name}(" in place.read_text(encoding="utf-8"), f"{file}::{name}"
        assert place.exists()
