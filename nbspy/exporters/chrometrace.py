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
    separator = "\n"
    for event in _events(profile, options):
        stream.write((separator + event).encode())
        separator = ",\n"
    stream.write(b"\n]}\n")


def _events(profile: Profile, options: ContentOptions) -> Iterator[str]:
    """Yield each event as JSON."""
    for process in profile.processes:
        name = process.command_line or f"process {process.pid}"
        yield _json(_metadata(process, _GIL_THREAD, "process_name", name=name))
        yield _json(_metadata(process, _GIL_THREAD, "thread_name", name="GIL"))
        yield _json(_metadata(process, _GIL_THREAD, "thread_sort_index", sort_index=-1))
    for thread in profile.threads:
        yield _json(_metadata(thread.process, thread_number(thread), "thread_name", name=thread.shown_name))
    for of in thread_intervals(profile.select(states="gil")):
        event = _Complete(of.thread.shown_name, "gil", of.thread.process.pid, _GIL_THREAD)
        for start_ns, end_ns in of.stretches(lambda state: bool(state & State.GIL)):
            yield event.at(start_ns, end_ns)
    part = chosen(profile, options)
    for of in thread_intervals(part):
        yield from _calls(part, of, options)


def thread_number(thread: ThreadInfo) -> int:
    """Return the number by which the format knows a thread: the operating system's where it is known."""
    return thread.os_thread_id if thread.os_thread_id is not None else (1 << 30) + thread.id


def _calls(profile: Profile, of: ThreadIntervals, options: ContentOptions) -> Iterator[str]:
    same_as = by_function(profile.tables.frames, len(profile.tables.frames))
    events: dict[int, _Complete] = {}
    for span in call_spans(profile, of, same_as):
        event = events.get(span.frame)
        if event is None:
            frame = profile.frame(span.frame)
            arguments: dict[str, Any] = {"file": frame.file if options.full_filenames else frame.short_file}
            if frame.first_line and not options.nolineno:
                arguments["line"] = frame.first_line
            place = of.thread.process.pid, thread_number(of.thread)
            event = events[span.frame] = _Complete(frame.name, "python", *place, args=arguments)
        yield event.at(span.start_ns, span.end_ns)


class _Complete:
    """Events that differ in their times only: a profile may have millions, so the rest is encoded once."""

    def __init__(self, name: str, category: str, pid: int, tid: int, **more: object) -> None:
        event = {"name": name or "(no name)", "cat": category, "ph": "X", "pid": pid, "tid": tid, **more}
        self._beginning = _json(event)[:-1]

    def at(self, start_ns: int, end_ns: int) -> str:
        return f'{self._beginning},"ts":{start_ns // 1000},"dur":{(end_ns - start_ns) // 1000}}}'


def _json(event: dict[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"))


def _metadata(process: ProcessInfo, thread: int, kind: str, **arguments: object) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "ts": 0, "pid": process.pid, "tid": thread, "args": arguments}


CHROMETRACE: Final = Exporter(
    "chrometrace", ".trace.json", "Chrome trace events, for Perfetto and chrome://tracing", write_chrometrace
)
