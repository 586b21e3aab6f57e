"""JSON lines: one object a line, each defined before it is used, for scripts that read a profile line by line.

Every line has ``type``. In order:

| type    | members                                                                                              |
|---------|------------------------------------------------------------------------------------------------------|
| meta    | v (1), pid, command_line, python_version, free_threaded, interval_ns, started_unix_ns, blocking        |
| process | process (id), pid, parent_pid, command_line, python_version ("": not known), started_ns, ended_ns       |
|         | (null: it was still there)                                                                              |
| thread  | thread (id), process (id), os_thread_id, thread_id (Python's), name, interpreter                       |
| frame   | frame (id), name, file, short_file, module, line, first_line; a line of 0 is not known                 |
| stack   | stack (id), parent (id of the stack below its last frame; 0: none), frame (id of its last frame)       |
| run     | time_ns, thread (id), stack (id), state, count, weight_ns                                              |
| notice  | time_ns, text: something the reader should know                                                        |
| end     | time_ns, samples, late, retried, discarded, reason; a file without it was cut                          |

Ids count from 0, those of stacks from 1: stack 0 is the empty one, and not written. A run is ``count`` samples one
after the other with the same stack and state; ``weight_ns`` is the time from its first to the first after it.
``state`` is a list of ``active``, ``gil`` (holds it), ``gil-wait``, ``gc``, ``exception`` (handles one),
``finalizing`` (Python ends); idle is none of them.
Times count from the start of the recording. A missing member means "not known", which is not 0. Readers pass over
types and members that they do not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from nbspy.exporters.format import Exporter, with_states
from nbspy.model.profile import Profile
from nbspy.options import ContentOptions
from nbspy.wire import State

VERSION: Final = 1
_STATES: Final = {
    State.ACTIVE: "active",
    State.GIL: "gil",
    State.GIL_WAIT: "gil-wait",
    State.GC: "gc",
    State.EXCEPTION: "exception",
    State.FINALIZING: "finalizing",
}


def write_jsonl(profile: Profile, stream: BinaryIO, options: ContentOptions) -> None:
    """Write ``profile`` to ``stream``, idle samples too; of the options only ``gil`` has a meaning."""
    for line in _lines(with_states(profile, options)):
        stream.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")


def _lines(profile: Profile) -> Iterator[dict[str, Any]]:
    hello = profile.hello
    about = ("pid", "command_line", "python_version", "free_threaded", "interval_ns", "started_unix_ns", "blocking")
    yield {"type": "meta", "v": VERSION, **{name: getattr(hello, name) for name in about}}
    for process in profile.processes:
        ids = {"process": process.id, "pid": process.pid, "parent_pid": process.parent_pid}
        told = {"command_line": process.command_line, "python_version": process.python_version}
        yield {"type": "process", **ids, **told, "started_ns": process.started_ns, "ended_ns": process.ended_ns}
    for thread in profile.threads:
        line = {"type": "thread", "thread": thread.id, "process": thread.process.id}
        line |= {"os_thread_id": thread.os_thread_id} if thread.os_thread_id is not None else {}
        yield line | {"thread_id": thread.thread_id, "name": thread.name, "interpreter": thread.interpreter}
    # The tables may be growing, and nodes refer to frames: taken in this order, none is missing.
    nodes, node_count = profile.tables.nodes, len(profile.tables.nodes)
    for frame_id in range(len(profile.tables.frames)):
        frame = profile.frame(frame_id)
        names = ("name", "file", "short_file", "module", "line", "first_line")
        yield {"type": "frame", "frame": frame_id, **{name: getattr(frame, name) for name in names}}
    for node in range(1, node_count):
        yield {"type": "stack", "stack": node, "parent": nodes.parent[node], "frame": nodes.frame[node]}
    yield from _runs(profile)
    for notice in profile.notices:
        yield {"type": "notice", "time_ns": notice.time_ns, "text": notice.text}
    line = {"type": "end", "time_ns": profile.span_ns[1], "samples": profile.sample_count}
    if profile.status is not None:
        line |= {name: getattr(profile.status, name) for name in ("late", "retried", "discarded")}
    yield line | ({"reason": profile.end.reason} if profile.end is not None else {})


def _runs(profile: Profile) -> Iterator[dict[str, Any]]:
    words = [[word for bit, word in _STATES.items() if state & bit] for state in range(256)]
    runs = profile.runs
    columns = (runs.start_ns, runs.thread, runs.node, runs.state, runs.count, runs.weight_us)
    for start_ns, thread, node, state, count, weight_us in zip(*columns, strict=True):
        where = {"type": "run", "time_ns": start_ns, "thread": thread, "stack": node, "state": words[state]}
        yield {**where, "count": count, "weight_ns": weight_us * 1000}


JSONL: Final = Exporter("jsonl", ".jsonl", "JSON lines, for scripts: every table and every run", write_jsonl)
