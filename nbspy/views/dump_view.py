"""What the threads of a process do now, as text, as styled text, and as a table for a notebook.

The text has the form of ``py-spy dump``: a block a thread, its leaf first. The table has a row for each stack and folds
what is long; it is plain markup without a script, so that it is the same in an untrusted notebook. Everything from the
target is text: escaped in markup, free of control characters, and nothing in it is read as rich's markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from nbspy.options import DumpOptions
from nbspy.plain_text import call_site, printable
from nbspy.stack_trace import Dump, Frame, LocalVariable, StackTrace

if TYPE_CHECKING:
    from rich.text import Text

SourceOf = Callable[[int, Frame], str]
"""(pid, frame) -> the line of source that the frame stands at; "" where it cannot be read."""

Span = tuple[str, str]
"""A piece of text and its rich style."""

_STATUS_STYLES: Final = {"active+gil": "bold green", "active": "green", "idle": "dim"}
_STATUS_COLORS: Final = {"active+gil": "#1a9850", "active": "#4393c3", "idle": "#888888"}
"""Readable on a light and on a dark page."""
_STATUS_MARKS: Final = {"active+gil": "●", "active": "◐", "idle": "○"}
_STATE_TEXTS: Final = {
    "gil-wait": "waits for the GIL",
    "gc": "collects garbage",
    "exception": "handles an exception",
    "finalizing": "Python ends",
}
_MANY: Final = 4
"""Threads with the same stack of which it is written once: fewer are as easily read one by one, as py-spy has them."""
_NAMES_SHOWN: Final = 3
_THREADS_WITH_VARIABLES: Final = 50
"""Of those with the same stack: a table is to be looked at, and a notebook to be saved."""
_LEFT: Final = 'align="left" style="text-align: left; vertical-align: top"'
# Of the two only one is left by the sanitisers and style sheets of notebooks, and not always the same.


def frame_text(frame: Frame, *, full_filenames: bool = False) -> str:
    """Return a frame as ``name (file:line)``."""
    file = frame.filename if full_filenames else frame.short_filename or frame.filename
    return call_site(frame.name, file, frame.line)


def headlines(dump: Dump) -> Iterator[str]:
    """Yield ``Process PID: command line`` and the version of its Python."""
    command = f": {printable(dump.command_line)}" if dump.command_line else ""
    yield f"Process {dump.pid}{command}"
    yield f"Python v{printable(dump.python_version)}"


def dump_text(dumps: Sequence[Dump], options: DumpOptions, source_of: SourceOf | None = None) -> str:
    """Return the stacks as text; no newline at the end."""
    lines = _all_lines(dumps, options, source_of)
    return "\n".join("".join(text for text, _ in line) for line in lines)


def dump_rich(dumps: Sequence[Dump], options: DumpOptions, source_of: SourceOf | None = None) -> Text:
    """Return the same as styled text."""
    from rich.text import Text

    return Text("\n").join(Text.assemble(*line) for line in _all_lines(dumps, options, source_of))


def _all_lines(dumps: Sequence[Dump], options: DumpOptions, source_of: SourceOf | None) -> Iterator[list[Span]]:
    for position, dump in enumerate(dumps):
        if position:
            yield []
        for line, style in zip(headlines(dump), ("bold", ""), strict=True):
            yield [(line, style)]
        for group in _text_groups(dump.traces):
            yield []
            for trace in group:
                yield _thread_line(trace)
            if len(group) > 1:
                yield [("    ", ""), (f"{len(group)} threads here:", "bold")]
            for frame in group[0].frames:
                yield from _frame_lines(group[0].pid, frame, options, source_of)


def _text_groups(traces: Iterable[StackTrace]) -> Iterator[list[StackTrace]]:
    """Yield the threads that share one block: many that do the same, as long as their variables are not wanted."""
    for group in _same_stacks(traces):
        if len(group) >= _MANY and group[0].frames and not any(frame.locals for one in group for frame in one.frames):
            yield group
        else:
            yield from ([one] for one in group)


def _thread_line(trace: StackTrace) -> list[Span]:
    name = f': "{printable(trace.thread_name)}"' if trace.thread_name else ""
    status = (trace.status, _STATUS_STYLES[trace.status])
    beside = [(f", {_state_text(state)}", "yellow") for state in trace.states]
    interpreter = f" in interpreter {trace.interpreter}" if trace.interpreter else ""
    thread = [("Thread ", ""), (trace.format_thread_id(), "bold"), (interpreter, "")]
    return [*thread, (" (", ""), status, *beside, (")", ""), (name, "")]


def _state_text(state: str) -> str:
    return _STATE_TEXTS.get(state) or printable(state)


def _frame_lines(pid: int, frame: Frame, options: DumpOptions, source_of: SourceOf | None) -> Iterator[list[Span]]:
    name, text = call_site(frame.name, None, 0), frame_text(frame, full_filenames=options.full_filenames)
    yield [("    ", ""), (name, "cyan"), (text[len(name) :], "dim")]
    source, marked = _source(pid, frame, source_of)
    if source:
        start, end = marked.start, marked.stop
        yield [
            ("        > ", "dim"),
            (source[:start], "italic"),
            (source[start:end], "bold italic"),
            (source[end:], "italic"),
        ]
        if marked:
            yield [("          " + " " * start, ""), ("^" * len(marked), "dim")]
    for heading, variables in _grouped(frame.locals or ()):
        yield [(f"        {heading}:", "dim")]
        for variable in variables:
            yield [("            ", ""), (_shown(variable.name), "green"), (f": {_shown(variable.repr or '')}", "")]


def _grouped(variables: Sequence[LocalVariable]) -> Iterator[tuple[str, list[LocalVariable]]]:
    for heading, wanted in (("Arguments", True), ("Locals", False)):
        group = [variable for variable in variables if variable.arg is wanted]
        if group:
            yield heading, group


def _source(pid: int, frame: Frame, source_of: SourceOf | None) -> tuple[str, range]:
    """Return the line of source without its indent, and which of its characters run: none where all of them do."""
    line = source_of(pid, frame) if source_of is not None and frame.line else ""
    stripped = line.strip()
    source = printable(stripped)
    column, end = frame.column, frame.end_column
    if column is None or end is None or frame.end_line != frame.line or source != stripped:
        return source, range(0)
    data, indent = line.encode("utf-8", "surrogatepass"), len(line) - len(line.lstrip())
    first, last = (len(data[:place].decode("utf-8", "replace")) - indent for place in (column, end))
    marked = range(max(first, 0), min(last, len(source)))
    return source, marked if 0 < len(marked) < len(source) else range(0)


def _shown(text: str) -> str:
    """Return all of ``text``: its length was bounded where it was read."""
    return printable(text, limit=len(text) * 6 + 1)


# The table


def dump_html(dumps: Sequence[Dump], options: DumpOptions, source_of: SourceOf | None = None) -> str:
    """Return a table for each process: a row for all threads that do the same, their stack folded below its leaf."""
    return "\n".join(_process_html(dump, options, source_of) for dump in dumps)


def _process_html(dump: Dump, options: DumpOptions, source_of: SourceOf | None) -> str:
    process, python = map(escape, headlines(dump))
    head = "".join(f"<th {_LEFT}>{heading}</th>" for heading in ("thread", "id", "state", "stack"))
    rows = "\n".join(_row(group, options, source_of) for group in _same_stacks(dump.traces))
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    return f"<p><b>{process}</b><br>{python}</p>\n{table}"


def _same_stacks(traces: Iterable[StackTrace]) -> list[list[StackTrace]]:
    """Return the threads in groups with the same state and frames, in the order of their first ones."""
    groups: dict[object, list[StackTrace]] = {}
    for trace in traces:
        stack = tuple((frame.name, frame.filename, frame.line) for frame in trace.frames)
        groups.setdefault((trace.status, trace.states, trace.interpreter, stack), []).append(trace)
    return list(groups.values())


def _row(group: list[StackTrace], options: DumpOptions, source_of: SourceOf | None) -> str:
    first = group[0]
    ids = [escape(trace.format_thread_id()) for trace in group]
    cells = (
        _folded([_thread_name(trace) for trace in group], "threads here"),
        _folded(ids, "ids"),
        _badge(first.status) + "".join(f"<br>{escape(_state_text(state))}" for state in first.states),
        _stack_html(group, options, source_of),
    )
    return "<tr>" + "".join(f"<td {_LEFT}>{cell}</td>" for cell in cells) + "</tr>"


def _thread_name(trace: StackTrace) -> str:
    return escape(printable(trace.thread_name)) if trace.thread_name else "<i>unnamed</i>"


def _folded(items: Sequence[str], what: str) -> str:
    """Return a few items as lines, more of them below their number."""
    lines = "<br>".join(items)
    if len(items) <= _NAMES_SHOWN:
        return lines
    return f"<details><summary><b>{len(items)}</b> {what}</summary>{lines}</details>"


def _badge(status: str) -> str:
    return f'<span style="color: {_STATUS_COLORS[status]}"><b>{_STATUS_MARKS[status]}&nbsp;{status}</b></span>'


def _stack_html(group: list[StackTrace], options: DumpOptions, source_of: SourceOf | None) -> str:
    frames = group[0].frames
    if not frames:
        return "<i>no Python frames</i>"
    leaf = escape(frame_text(frames[0], full_filenames=options.full_filenames))
    count = f"{len(frames)} frames" if len(frames) > 1 else "1 frame"
    lines = [_frame_html(group, position, options, source_of) for position in range(len(frames))]
    return f"<details><summary><code>{leaf}</code> · {count}</summary>{''.join(lines)}</details>"


def _frame_html(group: list[StackTrace], position: int, options: DumpOptions, source_of: SourceOf | None) -> str:
    trace, frame = group[0], group[0].frames[position]
    text = f"<code>{escape(frame_text(frame, full_filenames=options.full_filenames))}</code>"
    source, marked = _source(trace.pid, frame, source_of)
    if source:
        before, runs, after = (
            escape(part) for part in (source[: marked.start], source[marked.start : marked.stop], source[marked.stop :])
        )
        text += f"<br>&emsp;<small><code>{before}<b>{runs}</b>{after}</code></small>"
    tables = [(one, _variables_html(one.frames[position].locals or ())) for one in group[:_THREADS_WITH_VARIABLES]]
    if not any(table for _, table in tables):
        return f"<div>{text}</div>"
    if len(group) == 1:
        return f"<details><summary>{text}</summary>{tables[0][1]}</details>"
    threads = [f"<details><summary>{_thread_name(one)}</summary>{table}</details>" for one, table in tables]
    if len(group) > len(tables):
        threads.append(f"<div>… and those of {len(group) - len(tables)} more threads</div>")
    return f"<details><summary>{text}</summary>{''.join(threads)}</details>"


def _variables_html(variables: Sequence[LocalVariable]) -> str:
    rows = "".join(
        f"<tr><td {_LEFT}><code>{escape(_shown(variable.name))}</code>{' (argument)' if variable.arg else ''}</td>"
        f"<td {_LEFT}><code>{escape(_shown(variable.repr or ''))}</code></td></tr>"
        for _, group in _grouped(variables)
        for variable in group
    )
    return f"<table><tbody>{rows}</tbody></table>" if rows else ""
