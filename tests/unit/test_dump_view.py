"""Dumps as text, styled text, a table and JSON. Everything from a target is shown as text, whatever it holds."""

from __future__ import annotations

import io
import json
import re
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nbspy.errors import StreamError
from nbspy.options import DumpOptions
from nbspy.stack_trace import (
    Dump,
    Frame,
    LocalVariable,
    ProcessInfo,
    StackTrace,
    dump_from_json,
    from_json,
    to_json,
)
from nbspy.views.dump_view import dump_html, dump_rich, dump_text

from .markup import Markup
from .traces import HOSTILE, trace

PLAIN = DumpOptions()

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
    *(st.booleans(), st.booleans(), st.none() | st.integers(0, 99), st.none() | st.integers(0, 99)),
)
traces = st.lists(
    st.builds(
        StackTrace,
        *(st.integers(1, 2**31), st.integers(0, 2**64), st.none() | texts, st.none() | st.integers(1, 2**22)),
        *(st.booleans(), st.booleans(), st.lists(frames, max_size=3).map(tuple)),
        st.none() | st.builds(ProcessInfo, st.integers(1, 99), texts),
        st.lists(texts | st.sampled_from(["gil-wait", "gc"]), max_size=2).map(tuple),
        st.integers(0, 99),
    ),
    max_size=3,
)


def dump_of(*given: StackTrace) -> Dump:
    return Dump(given, 42, "python main.py", "3.13.0")


def test_given_threads_when_dumped_then_they_read_as_py_spys() -> None:
    text = dump_text([dump_of(trace(), trace(None, active=False))], PLAIN)
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
    assert "    Worker.run (/src/pkg/app.py:12)" in dump_text([dump_of(trace())], DumpOptions(full_filenames=True))
    assert dump_text([], PLAIN) == ""


def test_given_many_threads_with_equal_stacks_then_the_text_has_it_once_below_all_their_names() -> None:
    same = [replace(trace(f"worker {n}", active=False), os_thread_id=100 + n) for n in range(12)]
    other = replace(trace("other"), frames=trace().frames[1:])
    lines = dump_text([dump_of(*same[:6], other, *same[6:])], PLAIN).splitlines()
    assert lines[3:15] == [f'Thread {100 + n} (idle): "worker {n}"' for n in range(12)]
    assert lines[15:17] == ["    12 threads here:", "    Worker.run (pkg/app.py:12)"]
    assert lines.count("    Worker.run (pkg/app.py:12)") == 1
    assert sum(line.startswith("Thread") for line in lines) == 13

    assert "threads here" not in dump_text([dump_of(*same[:3])], PLAIN)
    own = [replace(with_locals(LocalVariable("n", n, True, f"<{n}>")), thread_name=str(n)) for n in range(4)]
    text = dump_text([dump_of(*own)], PLAIN)
    assert "threads here" not in text
    assert all(f"n: <{n}>" in text for n in range(4))


def test_given_states_beside_the_status_then_they_are_told() -> None:
    waits = replace(trace("w"), active=False, states=("gil-wait", "exception"))
    ends = replace(trace("e"), states=("gc", "finalizing"), interpreter=3)
    text = dump_text([dump_of(waits, ends)], PLAIN)
    assert 'Thread 4242 (idle, waits for the GIL, handles an exception): "w"' in text
    assert 'Thread 4242 in interpreter 3 (active+gil, collects garbage, Python ends): "e"' in text
    html = Markup(dump_html([dump_of(waits, replace(waits, states=()), ends)], PLAIN))
    assert "handles an exception" in html.text
    assert html.text.count("collects garbage") == 1


def with_locals(*variables: LocalVariable) -> StackTrace:
    one = trace()
    return replace(one, frames=(replace(one.frames[0], locals=variables), replace(one.frames[1], locals=())))


def test_given_locals_when_dumped_then_arguments_come_first() -> None:
    variables = (
        LocalVariable("self", 16, True, "<Worker at 0x10>"),
        LocalVariable("text", 32, False, "'a\\nb'"),
        LocalVariable("flag", 48, True, "True"),
    )
    text = dump_text([dump_of(with_locals(*variables))], PLAIN)
    assert text.splitlines()[4:] == [
        "    Worker.run (pkg/app.py:12)",
        "        Arguments:",
        "            self: <Worker at 0x10>",
        "            flag: True",
        "        Locals:",
        "            text: 'a\\nb'",
        "    <module> (main.py)",
    ]


def test_given_source_when_dumped_then_it_stands_below_its_frame() -> None:
    def source_of(pid: int, frame: Frame) -> str:
        return f"    {pid} {frame.name}\x1b\n"

    text = dump_text([dump_of(trace())], PLAIN, source_of)
    assert text.splitlines()[4:6] == ["    Worker.run (pkg/app.py:12)", "        > 42 Worker.run\\x1b"]
    assert text.count(" > ") == 1, "a frame without a line has no source line"
    assert "42 Worker.run" in Markup(dump_html([dump_of(trace())], PLAIN, source_of)).text


def test_given_columns_then_what_runs_of_the_source_line_is_marked() -> None:
    def source_of(pid: int, frame: Frame) -> str:
        return "        é = call(1) + other(2)  "

    def shown(**columns: int) -> list[str]:
        one = trace()
        frame = replace(one.frames[0], **columns)  # type: ignore[arg-type]
        return dump_text([dump_of(replace(one, frames=(frame,)))], PLAIN, source_of).splitlines()[5:]

    line = "        > é = call(1) + other(2)"
    # In bytes: é has two.
    assert shown(column=13, end_line=12, end_column=20) == [line, "              ^^^^^^^"]
    assert shown(column=8, end_line=12, end_column=99) == [line]
    assert shown(column=13, end_line=13, end_column=20) == [line]
    assert shown() == [line]
    marked = replace(trace().frames[0], column=13, end_line=12, end_column=20)
    html = dump_html([dump_of(replace(trace(), frames=(marked,)))], PLAIN, source_of)
    assert "é = <b>call(1)</b> + other(2)" in html


def test_given_several_processes_when_dumped_then_each_has_its_head() -> None:
    text = dump_text([dump_of(trace()), replace(dump_of(), pid=43)], PLAIN)
    assert re.findall(r"^Process (\d+)", text, re.MULTILINE) == ["42", "43"]


@given(traces)
def test_given_any_traces_then_text_and_markup_hold_no_control_characters(given_traces: list[StackTrace]) -> None:
    dumps = [dump_of(*given_traces)]
    text, html = dump_text(dumps, PLAIN), dump_html(dumps, PLAIN)
    for shown in (text, html, dump_rich(dumps, PLAIN).plain):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", shown)
        shown.encode()
    allowed = {"p", "b", "br", "i", "div", "span", "small", "code", "details", "summary"}
    assert Markup(html).tags <= allowed | {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    variables = [frame.locals or () for one in given_traces for frame in one.frames]
    assert "threads here" not in text, "there are no more than three threads"
    expected = sum(1 + len(found) + len({one.arg for one in found}) for found in variables)
    assert sum(line.startswith("    ") for line in text.splitlines()) == expected


@given(traces)
def test_given_any_traces_then_the_markup_is_well_formed_and_shows_every_thread(
    given_traces: list[StackTrace],
) -> None:
    markup = Markup(dump_html([dump_of(*given_traces)], PLAIN))
    assert markup.open == []
    for one in given_traces:
        assert one.format_thread_id() in markup.text


def test_given_threads_with_equal_stacks_then_they_are_one_row() -> None:
    same = [replace(trace(f"worker {n}"), os_thread_id=100 + n) for n in range(12)]
    other = replace(trace("other"), frames=trace().frames[1:])
    html = dump_html([dump_of(*same[:6], other, *same[6:], replace(same[0], active=False))], PLAIN)
    assert html.count("<tr><td") == 3
    assert "<b>12</b> threads here" in html
    text = Markup(html).text
    assert all(f"worker {n}" in text and str(100 + n) in text for n in range(12))


def test_given_locals_of_threads_with_equal_stacks_then_each_has_its_own() -> None:
    both = [
        replace(with_locals(LocalVariable("n", 1, True, "<1>")), thread_name="first"),
        replace(with_locals(LocalVariable("n", 2, True, "<2>")), thread_name="second"),
    ]
    html = dump_html([dump_of(*both)], PLAIN)
    assert html.count("<tr><td") - html.count("(argument)") == 1
    assert re.search("first.*&lt;1&gt;.*second.*&lt;2&gt;", html.partition("<details>")[2])
    assert Markup(html).open == []


@given(traces)
def test_given_any_traces_then_json_brings_them_back(given_traces: list[StackTrace]) -> None:
    assert from_json(json.loads(json.dumps(to_json(given_traces)))) == given_traces


@pytest.mark.parametrize("value", [None, {}, [1], [{}], [{"pid": "x"}]], ids=str)
def test_given_other_json_then_it_is_no_trace(value: object) -> None:
    with pytest.raises(StreamError):
        from_json(value)


@given(traces)
def test_given_any_dump_then_json_brings_it_back(given_traces: list[StackTrace]) -> None:
    dumped = dump_of(*given_traces)
    assert dump_from_json(json.loads(json.dumps(asdict(dumped)))) == dumped


def test_given_rich_then_names_are_no_markup_and_styles_are_there() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system="standard")
    console.print(dump_rich([dump_of(trace("[bold]x[/bold]" + HOSTILE))], PLAIN))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold]x[/bold]" in shown
    assert "\x1b]0" not in shown
    assert "\x1b[36mWorker.run" in shown
