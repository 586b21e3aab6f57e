"""Folds the records of a stream into a growing profile, and checks what they say.

A stream may come from a file of unknown origin: every id is checked against its table before it is kept, and a
contradiction is a :class:`StreamError`. Unknown kinds are passed over. A stream that is cut is valid up to the cut.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import lt
from typing import Any, Final

import msgspec

from nbspy import wire
from nbspy.errors import StreamError
from nbspy.model.profile import Profile, ReadSources
from nbspy.model.tables import Extent, ProcessInfo, RunColumns, Tables, ThreadInfo

MAX_TIME_NS: Final = 1 << 62
"""A bound on times in a stream (146 years), so that sums of them stay in 64 bits."""
MAX_NOTICES: Final = 1000
MAX_SOURCE_LETTERS: Final = 4 << 20


class Builder:
    """Takes records in order; :meth:`snapshot` may be called at any time after the hello."""

    def __init__(self) -> None:
        self.hello: wire.Hello | None = None
        self.status: wire.Status | None = None
        self.end: wire.End | None = None
        self.read_sources: ReadSources | None = None
        """Handed on to the profiles."""
        self._tables = Tables()
        self._runs = RunColumns()
        self._threads: list[ThreadInfo] = []
        self._processes: list[ProcessInfo] = []
        self._stale = False
        """True while threads hold what an older row said of their process."""
        self._labels: dict[str, str] = {}
        self._notices: list[wire.Notice] = []
        self._sources: dict[str, dict[int, str]] = {}
        self._source_size = 0
        self._fold: dict[type, Callable[[Any], None]] = {
            wire.Strings: self._strings,
            wire.Frames: self._frames,
            wire.Nodes: self._nodes,
            wire.Threads: self._thread_rows,
            wire.Processes: self._process_rows,
            wire.Samples: self._samples,
            wire.Status: self._status,
            wire.End: self._end,
            wire.Labels: self._label_rows,
            wire.Notice: self._notice,
            wire.Sources: self._source_rows,
        }

    @property
    def process_count(self) -> int:
        return len(self._processes)

    @property
    def has_samples(self) -> bool:
        return len(self._runs) > 0

    def add(self, record: wire.AnyRecord | None) -> None:
        """Fold one record in; None (a kind that is not known here) is passed over.

        Raises :class:`StreamError` where the record contradicts those before it; the profile is then as it was.
        """
        if record is None:
            return
        if isinstance(record, wire.Hello):
            self._hello(record)
        elif self.hello is None and not isinstance(record, wire.End):  # an attach that fails has no hello
            raise StreamError("the stream does not begin with a hello record")
        else:
            self._fold[type(record)](record)

    def snapshot(self) -> Profile:
        """Return the profile so far; raises :class:`StreamError` before the hello."""
        if self.hello is None:
            raise StreamError("the stream ends before its hello record")
        if self._stale:
            self._threads = [replace(thread, process=self._processes[thread.process.id]) for thread in self._threads]
            self._stale = False
        return Profile(
            hello=self.hello,
            status=self.status,
            end=self.end,
            notices=tuple(self._notices),
            sources=self._sources,
            read_sources=self.read_sources,
            labels=dict(self._labels),
            threads=tuple(self._threads),
            processes=tuple(self._processes),
            tables=self._tables,
            runs=self._runs,
            run_count=len(self._runs),
        )

    @property
    def run_count(self) -> int:
        """Rows of samples so far."""
        return len(self._runs)

    def extent(self) -> Extent:
        """Return how far the tables are."""
        tables = self._tables
        return Extent(
            len(tables.strings),
            len(tables.frames),
            len(tables.nodes),
            len(self._threads),
            len(self._processes),
            len(self._notices),
        )

    def replace_first_runs(self, length: int, runs: RunColumns) -> None:
        """Let ``runs`` stand for the first ``length`` rows, whose sums they have; profiles made before keep theirs."""
        rest = self._runs
        made = runs.head(len(runs))
        made.start_ns.extend(rest.start_ns[length:])
        made.thread.extend(rest.thread[length:])
        made.node.extend(rest.node[length:])
        made.state.extend(rest.state[length:])
        made.count.extend(rest.count[length:])
        made.weight_us.extend(rest.weight_us[length:])
        self._runs = made

    def _hello(self, hello: wire.Hello) -> None:
        if self.hello is not None:
            raise StreamError("a second hello record")
        if hello.format[0] != wire.FORMAT_VERSION[0]:
            raise StreamError(
                f"the stream has format {hello.format[0]}, this nbspy reads {wire.FORMAT_VERSION[0]}",
                "open it with the nbspy that wrote it, or upgrade",
            )
        self.hello = hello

    def _strings(self, record: wire.Strings) -> None:
        strings, texts = self._tables.strings, record.texts
        if record.first_id == 0 and len(strings) == 1 and texts[:1] == [""]:  # the "" that is there from the start
            strings.extend(texts[1:])
            return
        _check_first("string", record.first_id, len(strings))
        strings.extend(texts)

    def _frames(self, record: wire.Frames) -> None:
        frames = self._tables.frames
        _check_first("frame", record.first_id, len(frames))
        names = [
            wire.column("I", data)
            for data in (record.name, record.qualname, record.file, record.short_file, record.module)
        ]
        line, first_line = wire.column("i", record.line), wire.column("i", record.first_line)
        flags = wire.column("B", record.flags)
        _check_lengths("frames", [*names, line, first_line, flags])
        for column in names:
            _check_ids("string", column, len(self._tables.strings))
        for mine, column in zip(
            (frames.name, frames.qualname, frames.file, frames.short_file, frames.module), names, strict=True
        ):
            mine.extend(column)
        frames.line.extend(line)
        frames.first_line.extend(first_line)
        frames.flags.extend(flags)

    def _nodes(self, record: wire.Nodes) -> None:
        nodes = self._tables.nodes
        _check_first("node", record.first_id, len(nodes))
        parent, frame = wire.column("I", record.parent), wire.column("I", record.frame)
        _check_lengths("nodes", [parent, frame])
        if not all(map(lt, parent, range(len(nodes), len(nodes) + len(parent)))):
            raise StreamError("a node comes before its parent")
        _check_ids("frame", frame, len(self._tables.frames))
        # The frame last: its length is the table's length, which a reader in another thread goes by.
        nodes.parent.extend(parent)
        nodes.frame.extend(frame)

    def _thread_rows(self, record: wire.Threads) -> None:
        known = len(self._threads)
        for row in record.rows:
            if not 0 <= row.process < len(self._processes):
                raise StreamError(f"thread {row.id} is of process {row.process}, which is not defined")
            if not 0 <= row.id <= known:
                raise StreamError(f"thread id {row.id} leaves a gap after {known}")
            known = max(known, row.id + 1)
        for row in record.rows:
            process = self._processes[row.process]
            thread = ThreadInfo(row.id, process, row.os_thread_id, row.thread_id, row.name, row.interpreter)
            self._threads[row.id : row.id + 1] = [thread]

    def _process_rows(self, record: wire.Processes) -> None:
        known = len(self._processes)
        for row in record.rows:
            if not 0 <= row.id <= known:
                raise StreamError(f"process id {row.id} leaves a gap after {known}")
            known = max(known, row.id + 1)
        for row in record.rows:
            self._stale = self._stale or row.id < len(self._processes)
            self._processes[row.id : row.id + 1] = [ProcessInfo(*msgspec.structs.astuple(row))]

    def _samples(self, record: wire.Samples) -> None:
        base_ns = record.base_time_ns
        if not 0 <= base_ns <= MAX_TIME_NS:
            raise StreamError(f"samples at {base_ns} ns: out of range")
        start_us, thread = wire.column("I", record.start_us), wire.column("I", record.thread)
        node, state = wire.column("I", record.node), wire.column("B", record.state)
        count, weight_us = wire.column("I", record.count), wire.column("I", record.weight_us)
        _check_lengths("samples", [start_us, thread, node, state, count, weight_us])
        _check_ids("thread", thread, len(self._threads))
        _check_ids("node", node, len(self._tables.nodes))
        if count and min(count) == 0:
            raise StreamError("a run of no samples")
        runs = self._runs
        runs.start_ns.extend([base_ns + us * 1000 for us in start_us])
        runs.thread.extend(thread)
        runs.node.extend(node)
        runs.state.extend(state)
        runs.count.extend(count)
        runs.weight_us.extend(weight_us)

    def _status(self, record: wire.Status) -> None:
        self.status = record

    def _end(self, record: wire.End) -> None:
        self.end = record

    def _label_rows(self, record: wire.Labels) -> None:
        self._labels.update(record.rows)

    def _source_rows(self, record: wire.Sources) -> None:
        for file, first_line, text in record.rows:
            self._source_size += len(text)
            if self._source_size <= MAX_SOURCE_LETTERS and first_line > 0:
                # What snapshots hold stays as it was.
                lines = {**self._sources.get(file, {}), **dict(enumerate(text.split("\n"), first_line))}
                self._sources = {**self._sources, file: lines}

    def _notice(self, record: wire.Notice) -> None:
        if len(self._notices) < MAX_NOTICES:
            self._notices.append(record)


def profile_from_stream(pieces: bytes | Iterable[bytes]) -> Profile:
    """Return the profile of a whole stream (or of one that is cut), given as bytes or in pieces.

    Raises :class:`StreamError` where it is not one, or is cut before its hello record.
    """
    splitter, builder = wire.FrameSplitter(), Builder()
    for piece in [pieces] if isinstance(pieces, bytes) else pieces:
        for body in splitter.feed(piece):
            builder.add(wire.decode(body))
    return builder.snapshot()


def _check_first(what: str, first_id: int, length: int) -> None:
    if first_id != length:
        raise StreamError(f"{what} ids go on at {first_id}, not at {length}")


def _check_lengths(what: str, columns: list[array[int]]) -> None:
    if len({len(column) for column in columns}) > 1:
        raise StreamError(f"the columns of a {what} record differ in length")


def _check_ids(what: str, ids: array[int], length: int) -> None:
    if ids and max(ids) >= length:
        raise StreamError(f"{what} {max(ids)} is used before it is defined")
