"""What a person reads: tables and dumps. Everything from a target is shown as text, whatever it holds."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nbspy.errors import StreamError
from nbspy.plain_text import printable
from nbspy.stack_trace import Frame, LocalVariable, ProcessInfo, StackTrace, from_json, to_json
from nbspy.table import Column, Table
from nbspy.views.tables import dump_html, dump_rich, dump_text, process_table, trace_table

HOSTILE = "<b>\x1b]0;owned\x07[red]&\u202e\n"


def trace(name: str | None = "MainThread", *, active: bool = True, owns_gil: bool = True) -> StackTrace:
    frames = (
        Frame("Worker.run", "/src/pkg/app.py", "pkg.app", "pkg/app.py", 12),
        Frame("<module>", "/src/main.py", "main", "main.py", 0),
        Frame("shim", "", None, None, 0),
    )
    info = ProcessInfo(42, "python main.py", ProcessInfo(1, "init"))
    return StackTrace(42, 0xF00, name, 4242, active, owns_gil, frames, info)


texts = st.text(st.characters(codec=None), max_size=30)
frames = st.builds(
    Frame,
    texts,
    texts,
    st.none() | texts,
    st.none() | texts,
    st.integers(0, 2**31),
    st.none()
    | st.lists(
        st.builds(LocalVariable, texts, st.integers(0, 2**64), st.booleans(), st.none() | texts), max_size=2
    ).map(tuple),
)
traces = st.lists(
    st.builds(
        StackTrace,
        *(st.integers(1, 2**31), st.integers(0, 2**64), st.none() | texts, st.none() | st.integers(1, 2**22)),
        *(st.booleans(), st.booleans(), st.lists(frames, max_size=3).map(tuple)),
        st.none() | st.builds(ProcessInfo, st.integers(1, 99), texts),
    ),
    max_size=3,
)


class Markup(HTMLParser):
    """Collects tags and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_given_a_trace_when_dumped_then_it_reads_as_py_spys() -> None:
    text = dump_text([trace(), trace(None, active=False)], python_version="3.13.0")
    assert text.splitlines() == [
        "Process 42: python main.py",
        "Python v3.13.0",
        "",
        'Thread 4242 (active+gil): "MainThread"',
        "    Worker.run (pkg/app.py:12)",
        "    <module> (main.py)",
        "    shim",
        "",
        "Thread 4242 (idle)",
        *("    Worker.run (pkg/app.py:12)", "    <module> (main.py)", "    shim"),
    ]
    assert "    Worker.run (/src/pkg/app.py:12)" in dump_text([trace()], full_filenames=True)
    assert dump_text([]) == ""


@given(traces)
def test_given_any_traces_then_text_and_markup_hold_no_control_characters(given_traces: list[StackTrace]) -> None:
    text, html = dump_text(given_traces), dump_html(given_traces)
    for shown in (text, html, dump_rich(given_traces).plain):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", shown)
        shown.encode()
    allowed = {"table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre"}
    assert Markup(html).tags <= allowed
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    assert len(lines) == sum(len(one.frames) for one in given_traces)


@given(traces)
def test_given_any_traces_then_json_brings_them_back(given_traces: list[StackTrace]) -> None:
    assert from_json(json.loads(json.dumps(to_json(given_traces)))) == given_traces


@pytest.mark.parametrize("value", [None, {}, [1], [{}], [{"pid": "x"}]], ids=str)
def test_given_other_json_then_it_is_no_trace(value: object) -> None:
    with pytest.raises(StreamError):
        from_json(value)


def test_given_rich_then_names_are_no_markup_and_styles_are_there() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system="standard")
    console.print(dump_rich([trace("[bold]x[/bold]")]))
    console.print(Table(HOSTILE, [Column(HOSTILE)], [(HOSTILE,)]))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold]x[/bold]" in shown
    assert "\x1b]0" not in shown
    assert "[red]" in shown
    assert "\x1b[36mWorker.run" in shown


def test_given_a_trace_table_then_it_has_a_row_a_thread() -> None:
    text = trace_table([trace(), trace("x" * 100, active=True, owns_gil=False)]).text()
    assert text.splitlines()[0] == "Process 42: python main.py"
    assert re.search(r"^MainThread +4242 +active\+gil +3 +Worker\.run \(pkg/app\.py:12\)$", text, re.MULTILINE)
    assert re.search(r"^x+…x+ +4242 +active +3 ", text, re.MULTILINE)


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
