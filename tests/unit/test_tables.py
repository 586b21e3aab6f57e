"""What a person reads: tables and dumps. Everything from a target is shown as text, whatever it holds."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nbspy.plain_text import printable
from nbspy.table import Column, Table
from nbspy.views.tables import process_table

from .markup import Markup
from .traces import HOSTILE

texts = st.text(st.characters(codec=None), max_size=30)


def test_given_rich_then_a_table_is_no_markup() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system="standard")
    console.print(Table(HOSTILE, [Column(HOSTILE)], [(HOSTILE,)]))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b]0" not in shown
    assert "[red]" in shown


@dataclass(frozen=True)
class Process:
    pid: int = 7
    command_line: str = "python <x>"
    user: str | None = "me"
    started_unix: float | None = 0.0
    cpu_percent: float | None = 12.6
    python_version: str | None = "3.13"


def test_given_processes_then_what_is_unknown_is_empty() -> None:
    text = process_table([Process(), Process(8, "x", None, None, None, None)]).text()
    assert re.search(r"^ +7 +me +3\.13 +13 % +19\S+ \d\d:\d\d +python <x>$", text, re.MULTILINE)
    assert re.search(r"^ +8 +x$", text, re.MULTILINE)
    assert "No Python process" in process_table([]).text()


def test_given_hostile_cells_then_the_table_is_one_table_of_text() -> None:
    table = Table(HOSTILE, [Column("a"), Column("b", number=True)], [(HOSTILE, "1"), ("x", "22")])
    assert len(table.text().splitlines()) == 4
    markup = Markup(table.html())
    assert markup.tags == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert printable(HOSTILE) in markup.text


@given(texts, st.integers(3, 50))
def test_given_any_text_then_printable_is_one_bounded_line(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert len(shown.splitlines()) <= 1
    shown.encode()
