"""A profile as a stream again: for a selection, or where the stream itself is no longer at hand."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import astuple
from typing import Final

from nbspy import wire
from nbspy.model.profile import Profile
from nbspy.model.tables import Extent, RunColumns

_ROWS_IN_RECORD: Final = 65_536
_TEXTS_IN_RECORD: Final = 4096
"""Of at most some KiB each: far below what a reader refuses."""


def stream_of(profile: Profile) -> bytes:
    """Return a whole stream that :func:`nbspy.model.builder.profile_from_stream` reads as an equal profile."""
    tables = profile.tables
    # The tables may be growing. Nodes refer to frames and frames to strings: taken in this order, none is missing.
    nodes, frames = len(tables.nodes), len(tables.frames)
    extent = Extent(
        len(tables.strings), frames, nodes, len(profile.threads), len(profile.processes), len(profile.notices)
    )
    records = beginning(profile, extent)
    records += samples(profile.runs)
    if profile.status is not None:
        records.append(profile.status)
    if profile.end is not None:
        records.append(profile.end)
    return wire.MAGIC + b"".join(map(wire.encode, records))


def beginning(profile: Profile, extent: Extent) -> list[wire.Record]:
    """Return the records that define what samples refer to, as far as ``extent`` goes."""
    frames, nodes = profile.tables.frames, profile.tables.nodes
    strings = profile.tables.strings[: extent.strings]
    records: list[wire.Record] = [profile.hello]
    records += [
        wire.Strings(0, first, strings[first : first + _TEXTS_IN_RECORD])
        for first in range(0, len(strings), _TEXTS_IN_RECORD)
    ]
    names = (frames.name, frames.qualname, frames.file, frames.short_file, frames.module)
    for first in range(0, extent.frames, _ROWS_IN_RECORD):
        part = slice(first, min(first + _ROWS_IN_RECORD, extent.frames))
        columns = [wire.column_bytes(column[part]) for column in (*names, frames.line, frames.first_line, frames.flags)]
        records.append(wire.Frames(0, first, *columns))
    for first in range(1, extent.nodes, _ROWS_IN_RECORD):
        part = slice(first, min(first + _ROWS_IN_RECORD, extent.nodes))
        records.append(
            wire.Nodes(0, first, wire.column_bytes(nodes.parent[part]), wire.column_bytes(nodes.frame[part]))
        )
    processes = [wire.ProcessRow(*astuple(process)) for process in profile.processes[: extent.processes]]
    records.append(wire.Processes(0, processes))
    rows = [
        wire.ThreadRow(t.id, t.process.id, t.os_thread_id, t.thread_id, t.name, t.interpreter)
        for t in profile.threads[: extent.threads]
    ]
    records.append(wire.Threads(0, rows))
    records.append(wire.Labels(0, list(profile.labels.items())))
    if profile.sources:
        rows_of = (stretches(file, lines) for file, lines in profile.sources.items())
        records.append(wire.Sources(0, [row for rows in rows_of for row in rows]))
    records += profile.notices[: extent.notices]
    return records


def stretches(file: str, lines: Mapping[int, str]) -> list[tuple[str, int, str]]:
    """Return the lines as rows of a sources record: one for each stretch without a gap."""
    rows: list[tuple[str, int, str]] = []
    numbers = sorted(lines)
    begin = 0
    for i in range(1, len(numbers) + 1):
        if i == len(numbers) or numbers[i] != numbers[i - 1] + 1:
            rows.append((file, numbers[begin], "\n".join(lines[number] for number in numbers[begin:i])))
            begin = i
    return rows


def samples(runs: RunColumns) -> list[wire.Record]:
    """Return ``runs`` as records, cut where a record is full or a start no longer fits 32 bits of microseconds."""
    records: list[wire.Record] = []
    row = 0
    while row < len(runs):
        length = _ROWS_IN_RECORD
        while True:
            starts = runs.start_ns[row : row + length]
            base_ns = min(starts)
            if (max(starts) - base_ns) // 1000 < 1 << 32:
                break
            length //= 2
        part = slice(row, row + len(starts))
        offsets = array("I", [(start - base_ns) // 1000 for start in starts])
        columns = (
            offsets,
            runs.thread[part],
            runs.node[part],
            runs.state[part],
            runs.count[part],
            runs.weight_us[part],
        )
        records.append(wire.Samples(0, base_ns, *map(wire.column_bytes, columns)))
        row = part.stop
    return records
