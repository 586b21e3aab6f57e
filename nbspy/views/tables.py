"""Tables of stacks, processes and profiles; every :class:`~nbspy.table.Table` renders as text, HTML and rich."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Protocol

from nbspy.model.profile import Profile
from nbspy.model.summary import functions_table as functions_table
from nbspy.model.summary import summary_html as summary_html
from nbspy.model.summary import summary_text as summary_text
from nbspy.model.summary import thread_totals_table as thread_totals_table
from nbspy.plain_text import call_site, printable
from nbspy.stack_trace import Frame, StackTrace
from nbspy.table import Column as Column
from nbspy.table import Table as Table

if TYPE_CHECKING:
    from rich.text import Text

_STATUS_STYLES = {"active+gil": "bold green", "active": "green", "idle": "dim"}


class ProcessRow(Protocol):
    """What a process table shows of a process."""

    @property
    def pid(self) -> int: ...
    @property
    def command_line(self) -> str: ...
    @property
    def user(self) -> str | None: ...
    @property
    def started_unix(self) -> float | None: ...
    @property
    def cpu_percent(self) -> float | None: ...
    @property
    def python_version(self) -> str | None: ...


def profile_tables(profile: Profile) -> list[Table]:
    """Return a profile's thread table and function table."""
    return [thread_totals_table(profile), functions_table(profile)]


def trace_table(traces: Sequence[StackTrace], *, full_filenames: bool = False) -> Table:
    """Return one row a thread: its name, its id, its status, its depth, and what it does now."""
    rows = [
        (
            trace.thread_name or "",
            trace.format_thread_id(),
            trace.status,
            str(len(trace.frames)),
            frame_text(trace.frames[0], full_filenames=full_filenames) if trace.frames else "",
        )
        for trace in traces
    ]
    columns = (
        Column("thread", width=30),
        Column("id", number=True),
        Column("state"),
        Column("frames", number=True),
        Column("is in"),
    )
    return Table(process_headline(traces), columns, rows)


def process_table(processes: Sequence[ProcessRow]) -> Table:
    """Return one row a process."""
    rows = [
        (
            str(process.pid),
            process.user or "",
            process.python_version or "",
            f"{process.cpu_percent:.0f} %" if process.cpu_percent is not None else "",
            _clock(process.started_unix),
            process.command_line,
        )
        for process in processes
    ]
    columns = (
        Column("pid", number=True),
        Column("user", width=20),
        Column("Python", width=10),
        Column("CPU", number=True),
        Column("started"),
        Column("command", width=100),
    )
    return Table("Python processes" if rows else "No Python process was found", columns, rows)


def _clock(unix: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix)) if unix is not None else ""


def frame_text(frame: Frame, *, full_filenames: bool = False) -> str:
    """Return a frame as ``name (file:line)``."""
    file = frame.filename if full_filenames else frame.short_filename or frame.filename
    return call_site(frame.name, file, frame.line)


def process_headline(traces: Sequence[StackTrace]) -> str:
    """Return ``Process PID: command line`` of the traces; "" where there is none."""
    if not traces:
        return ""
    info = traces[0].process_info
    command = f": {printable(info.command_line)}" if info is not None and info.command_line else ""
    return f"Process {traces[0].pid}{command}"


Span = tuple[str, str]
"""A piece of text and its rich style."""


def _dump_lines(traces: Sequence[StackTrace], python_version: str | None, full: bool) -> Iterator[list[Span]]:
    if headline := process_headline(traces):
        yield [(headline, "bold")]
    if python_version:
        yield [(f"Python v{printable(python_version)}", "")]
    for trace in traces:
        yield []
        name = f': "{printable(trace.thread_name)}"' if trace.thread_name else ""
        status = (trace.status, _STATUS_STYLES[trace.status])
        yield [("Thread ", ""), (trace.format_thread_id(), "bold"), (" (", ""), status, (")", ""), (name, "")]
        for frame in trace.frames:
            name, text = call_site(frame.name, None, 0), frame_text(frame, full_filenames=full)
            yield [("    ", ""), (name, "cyan"), (text[len(name) :], "dim")]


def dump_text(traces: Sequence[StackTrace], *, python_version: str | None = None, full_filenames: bool = False) -> str:
    """Return the stacks as text, leaf first, in the form of ``py-spy dump``; no newline at the end."""
    return "\n".join(_plain(_dump_lines(traces, python_version, full_filenames)))


def _plain(lines: Iterable[list[Span]]) -> Iterator[str]:
    for line in lines:
        yield "".join(text for text, _ in line)


def dump_rich(traces: Sequence[StackTrace], *, python_version: str | None = None, full_filenames: bool = False) -> Text:
    """Return the same as styled text; nothing in it is read as markup."""
    from rich.text import Text

    lines = _dump_lines(traces, python_version, full_filenames)
    return Text("\n").join(Text.assemble(*line) for line in lines)


def dump_html(traces: Sequence[StackTrace], *, full_filenames: bool = False) -> str:
    """Return the thread table, then each thread's whole stack, folded; plain markup, everything escaped."""
    parts = [trace_table(traces, full_filenames=full_filenames).html()]
    for trace in traces:
        first, *stack = _plain(list(_dump_lines([trace], None, full_filenames))[2:])
        lines = "\n".join(line.strip() for line in stack)
        parts.append(f"<details><summary>{escape(first)}</summary><pre>{escape(lines)}</pre></details>")
    return "\n".join(parts)
