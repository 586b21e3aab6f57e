"""speedscope's own JSON (https://www.speedscope.app/file-format-schema.json): one sampled profile a thread.

Times are nanoseconds. A profile begins at the thread's first sample and ends with its last; a sample's weight is
the time to the next. Where a thread was not seen (it was idle and idle samples are not asked for), there is a
sample with an empty stack, so that everything lies where it was. The member ``nbspy``, which the schema leaves
room for, holds what the format has no place for: how many samples each row stands for (0 for a gap), their states,
and the threads' ids; :mod:`nbspy.importers.speedscope` reads it back.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO, Final

from nbspy.exporters.format import Exporter, chosen
from nbspy.model.call_tree import stack_of
from nbspy.model.intervals import ThreadIntervals, thread_intervals
from nbspy.model.profile import Profile
from nbspy.model.tables import FrameInfo
from nbspy.options import ContentOptions

SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"


def write_speedscope(profile: Profile, stream: BinaryIO, options: ContentOptions) -> None:
    """Write ``profile`` to ``stream``."""
    frames = _Frames(profile, options)
    part = chosen(profile, options)
    profiles, extras = [], []
    for of in thread_intervals(part):
        row, extra = _sampled(part, of, frames)
        profiles.append(row)
        extras.append(extra)
    hello = profile.hello
    document = {
        "$schema": SCHEMA,
        "name": hello.command_line or f"process {hello.pid}",
        "exporter": f"nbspy@{hello.nbspy_version}",
        "activeProfileIndex": _busiest(extras),
        "shared": {"frames": frames.rows},
        "profiles": profiles,
        "nbspy": {
            "pid": hello.pid,
            "python_version": hello.python_version,
            "interval_ns": hello.interval_ns,
            "started_unix_ns": hello.started_unix_ns,
            "profiles": extras,
        },
    }
    stream.write(json.dumps(document, separators=(",", ":")).encode())


def _busiest(extras: list[dict[str, Any]]) -> int:
    return max(range(len(extras)), key=lambda i: (sum(extras[i]["counts"]), -i), default=0)


class _Frames:
    """The table of frames: those that the options write alike are one."""

    def __init__(self, profile: Profile, options: ContentOptions) -> None:
        self.rows: list[dict[str, Any]] = []
        self._profile, self._options = profile, options
        self._ids: dict[int, int] = {}
        self._known: dict[tuple[str, str, int], int] = {}

    def id_of(self, frame_id: int) -> int:
        if frame_id not in self._ids:
            self._ids[frame_id] = self._add(self._profile.frame(frame_id))
        return self._ids[frame_id]

    def _add(self, frame: FrameInfo) -> int:
        options = self._options
        file = frame.file if options.full_filenames else frame.short_file
        line = 0 if options.nolineno else frame.first_line if options.function else frame.line
        key = (frame.name, file, line)
        if key not in self._known:
            self._known[key] = len(self.rows)
            row: dict[str, Any] = {"name": frame.name or "(no name)"}
            row |= {"file": file} if file else {}
            row |= {"line": line} if line else {}
            self.rows.append(row)
        return self._known[key]


def _sampled(profile: Profile, of: ThreadIntervals, frames: _Frames) -> tuple[dict[str, Any], dict[str, Any]]:
    thread = of.thread
    stacks: dict[int, list[int]] = {}
    samples: list[list[int]] = []
    weights, counts, states = [], [], []
    start_ns = end_ns = of.intervals[0].start_ns
    for one in of.intervals:
        if one.start_ns > end_ns:
            samples.append([])
            weights.append(one.start_ns - end_ns)
            counts.append(0)
            states.append(0)
        if one.node not in stacks:
            stacks[one.node] = [frames.id_of(frame) for frame in stack_of(profile.tables.nodes, one.node)]
        samples.append(stacks[one.node])
        weights.append(one.end_ns - one.start_ns)
        counts.append(one.samples)
        states.append(one.state)
        end_ns = one.end_ns
    name = thread.shown_name if len(profile.processes) < 2 else f"{thread.shown_name} (pid {thread.process.pid})"
    row = {
        "type": "sampled",
        "name": name,
        "unit": "nanoseconds",
        "startValue": start_ns,
        "endValue": end_ns,
        "samples": samples,
        "weights": weights,
    }
    ids = {"pid": thread.process.pid, "command_line": thread.process.command_line, "os_thread_id": thread.os_thread_id}
    return row, {**ids, "thread_name": thread.name, "counts": counts, "states": states}


SPEEDSCOPE: Final = Exporter(
    "speedscope", ".speedscope.json", "for speedscope.app: one sampled profile a thread", write_speedscope
)
