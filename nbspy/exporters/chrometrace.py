"""Chrome trace events, the JSON that Perfetto, chrome://tracing and speedscope read.

The schema is the "Trace Event Format" (JSON object form): complete events (``ph`` X) for calls, metadata events (M)
for the names of processes and threads. Times are microseconds. A call is an unbroken stretch of samples with the
function at the same place on the stack; sampling cannot tell two calls in a row from one. Each process has one more
thread, "GIL", whose events are named after the thread that held it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from nbspy.exporters.format import Exporter, chosen
from nbspy.model.intervals import ThreadIntervals, call_spans, thread_intervals
from nbspy.model.profile import Profile
from nbspy.model.tables import ProcessInfo, ThreadInfo
from nbspy.model.transforms import by_function
from nbspy.options import ContentOptions
from nbspy.wire import State

_GIL_THREAD: Final = 0
"""Number of a process's GIL row: threads have others."""


def write_chrometrace(profile: Profile, stream: BinaryIO, options: ContentOptions) -> None:
    """Write ``profile`` to ``stream``, one event a line."""
    stream.write(b'{"displayTimeUnit":"ms","otherData":{"exporter":"nbspy"},"traceEvents":[')
    separator = b"\n"
    for event in _events(profile, options):
        stream.write(separator + json.dumps(event, separators=(",", ":")).encode())
        separator = b",\n"
    stream.write(b"\n]}\n")


def _events(profile: Profile, options: ContentOptions) -> Iterator[dict[str, Any]]:
    for process in profile.processes:
        yield _metadata(process, _GIL_THREAD, "process_name", name=process.command_line or f"process {process.pid}")
        yield _metadata(process, _GIL_THREAD, "thread_name", name="GIL")
        yield _metadata(process, _GIL_THREAD, "thread_sort_index", sort_index=-1)
    for thread in profile.threads:
        yield _metadata(thread.process, thread_number(thread), "thread_name", name=thread.shown_name)
    for of in thread_intervals(profile.select(states="gil")):
        for start_ns, end_ns in of.stretches(lambda state: bool(state & State.GIL)):
            where = {"pid": of.thread.process.pid, "tid": _GIL_THREAD}
            yield _complete(of.thread.shown_name, "gil", start_ns, end_ns) | where
    part = chosen(profile, options)
    for of in thread_intervals(part):
        yield from _calls(part, of, options)


def thread_number(thread: ThreadInfo) -> int:
    """Return the number by which the format knows a thread: the operating system's where it is known."""
    return thread.os_thread_id if thread.os_thread_id is not None else (1 << 30) + thread.id


def _calls(profile: Profile, of: ThreadIntervals, options: ContentOptions) -> Iterator[dict[str, Any]]:
    where = {"pid": of.thread.process.pid, "tid": thread_number(of.thread)}
    same_as = by_function(profile.tables.frames, len(profile.tables.frames))
    for span in call_spans(profile, of, same_as):
        frame = profile.frame(span.frame)
        arguments: dict[str, Any] = {"file": frame.file if options.full_filenames else frame.short_file}
        if frame.first_line and not options.nolineno:
            arguments["line"] = frame.first_line
        yield _complete(frame.name, "python", span.start_ns, span.end_ns) | where | {"args": arguments}


def _complete(name: str, category: str, start_ns: int, end_ns: int) -> dict[str, Any]:
    times = {"ts": start_ns // 1000, "dur": (end_ns - start_ns) // 1000}
    return {"name": name or "(no name)", "cat": category, "ph": "X", **times}


def _metadata(process: ProcessInfo, thread: int, kind: str, **arguments: object) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "ts": 0, "pid": process.pid, "tid": thread, "args": arguments}


CHROMETRACE: Final = Exporter(
    "chrometrace", ".trace.json", "Chrome trace events, for Perfetto and chrome://tracing", write_chrometrace
)
