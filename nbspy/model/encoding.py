"""A profile as a stream again: for a selection, or where the stream itself is no longer at hand."""

from __future__ import annotations

import dataclasses
from array import array

from nbspy import wire
from nbspy.model.profile import Profile

_ROWS_IN_RECORD = 65_536


def stream_of(profile: Profile) -> bytes:
    """Return a whole stream that :func:`nbspy.model.builder.profile_from_stream` reads as an equal profile."""
    frames, nodes = profile.tables.frames, profile.tables.nodes
    # The tables may be growing. Nodes refer to frames and frames to strings: taken in this order, none is missing.
    node_count, length, strings = len(nodes), len(frames), profile.tables.strings[:]
    records: list[wire.Record] = [profile.hello, wire.Strings(0, 0, strings)]
    names = (frames.name, frames.qualname, frames.file, frames.short_file, frames.module)
    columns = [wire.column_bytes(column[:length]) for column in (*names, frames.line, frames.first_line, frames.flags)]
    records.append(wire.Frames(0, 0, *columns))
    columns = [wire.column_bytes(column[1:node_count]) for column in (nodes.parent, nodes.frame)]
    records.append(wire.Nodes(0, 1, *columns))
    records.append(wire.Processes(0, [wire.ProcessRow(*dataclasses.astuple(process)) for process in profile.processes]))
    rows = [
        wire.ThreadRow(t.id, t.process.id, t.os_thread_id, t.thread_id, t.name, t.interpreter) for t in profile.threads
    ]
    records.append(wire.Threads(0, rows))
    records.append(wire.Labels(0, list(profile.labels.items())))
    records += profile.notices
    records += _samples(profile)
    if profile.status is not None:
        records.append(profile.status)
    if profile.end is not None:
        records.append(profile.end)
    return wire.MAGIC + b"".join(map(wire.encode, records))


def _samples(profile: Profile) -> list[wire.Record]:
    """Return the runs, cut where a record is full or a start no longer fits 32 bits of microseconds."""
    runs = profile.runs
    records: list[wire.Record] = []
    row = 0
    while row < len(runs):
        base_ns = runs.start_ns[row]
        starts = array("I")
        for start_ns in runs.start_ns[row : row + _ROWS_IN_RECORD]:
            offset_us = (start_ns - base_ns) // 1000
            if not 0 <= offset_us < 1 << 32:
                break
            starts.append(offset_us)
        part = slice(row, row + len(starts))
        columns = (starts, runs.thread[part], runs.node[part], runs.state[part], runs.count[part], runs.weight_us[part])
        records.append(wire.Samples(0, base_ns, *map(wire.column_bytes, columns)))
        row = part.stop
    return records
