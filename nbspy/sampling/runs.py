"""Runs: equal consecutive samples of a thread, collapsed before anyone else sees them.

A thread that does not move costs nothing per sample: a run knows at which tick it began, and its count is worked out
when it ends. Columns that cannot be written for long are coarsened: counts and weights stay exact, the resolution in
time halves.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final

MAX_ROWS: Final = 100_000
"""Rows kept for writing before they are coarsened."""
MAX_WINDOW_NS: Final = 1 << 40
"""Longest time (18 minutes) that is merged into one row: its weight must fit the stream's 32 bits of microseconds."""
_MAX_U32: Final = 0xFFFF_FFFF


class Run:
    """What a thread has been doing since ``start_ns``."""

    __slots__ = ("bits", "node", "start_ns", "start_tick", "thread")

    def __init__(self, thread: int, node: int, bits: int, start_ns: int, start_tick: int) -> None:
        self.thread = thread
        self.node = node
        self.bits = bits
        self.start_ns = start_ns
        self.start_tick = start_tick


_Row = tuple[int, int, int, int, int, int]
"""(start in ns, thread, node, state bits, samples, weight in ns)."""


class RunColumns:
    """Closed runs that wait to be written; times are nanoseconds since the clock's origin."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.rows: list[_Row] = []
        self._window_ns = 0
        self._limit = MAX_ROWS

    def __len__(self) -> int:
        return len(self.rows)

    def append(self, run: Run, end_ns: int, count: int) -> None:
        """Add ``run``, of ``count`` samples, that ended at ``end_ns``."""
        start = run.start_ns
        self.rows.append((start, run.thread, run.node, run.bits, count, end_ns - start))
        if len(self.rows) > self._limit:
            self.coarsen()

    def coarsen(self) -> None:
        """Merge equal runs of a thread within a window of time; the window doubles until half the rows are gone.

        Where so many are different, more are kept: merging again at every row would cost more than they do.
        """
        starts = [row[0] for row in self.rows]
        span = max(starts) - min(starts) + 1
        self._window_ns = min(max(self._window_ns, span * 4 // len(starts), 1), MAX_WINDOW_NS)
        while True:
            merged: dict[tuple[int, int, int, int], list[int]] = {}
            for start, thread, node, bits, count, weight in self.rows:
                key = (start // self._window_ns, thread, node, bits)
                row = merged.get(key)
                if row is None:
                    merged[key] = [start, count, weight]
                else:
                    row[0] = min(row[0], start)
                    row[1] += count
                    row[2] += weight
            if len(merged) <= MAX_ROWS // 2 or self._window_ns > span or self._window_ns >= MAX_WINDOW_NS:
                break
            self._window_ns = min(2 * self._window_ns, MAX_WINDOW_NS)
        self.rows = [
            (start, thread, node, bits, count, weight)
            for (_, thread, node, bits), (start, count, weight) in merged.items()
        ]
        self._limit = max(MAX_ROWS, 2 * len(merged))

    def take(self) -> tuple[int, list[array[int]]]:
        """Return (base time in ns, columns as in the stream's samples record), and keep what is left.

        One record spans 71 minutes: after a longer wait for the reader, later rows are left for the next.
        """
        rows = self.rows
        starts = [row[0] for row in rows]
        base = min(starts, default=0)
        last = base + _MAX_U32 * 1000
        self.clear()
        if max(starts, default=0) > last:
            self.rows = [row for row in rows if row[0] > last]
            rows = [row for row in rows if row[0] <= last]
        start, thread, node, bits, count, weight = zip(*rows, strict=True) if rows else ((),) * 6
        # Both ends are rounded the same way, so that the weights of adjoining runs add up.
        ends = [first + length for first, length in zip(start, weight, strict=True)]
        columns: list[array[int]] = [
            array("I", [(first - base) // 1000 for first in start]),
            array("I", thread),
            array("I", node),
            array("B", bits),
            array("I", count),
            array("I", [min(e // 1000 - s // 1000, _MAX_U32) for s, e in zip(start, ends, strict=True)]),
        ]
        return base, columns


class RunTracker:
    """Turns observations of one process into runs. ``tick`` counts the samples taken."""

    def __init__(self, columns: RunColumns | None = None) -> None:
        """``columns`` take the runs; several trackers may share them."""
        self.columns = RunColumns() if columns is None else columns
        self.tick = 0
        self._runs: dict[int, Run] = {}
        self._last_ns = 0

    def observe(self, time_ns: int, threads: Iterable[tuple[int, int, int]]) -> None:
        """Take one sample at ``time_ns``: (thread, leaf node, state bits) of the threads that are new or changed.

        All others go on with what they did, until :meth:`retire`.
        """
        tick = self.tick
        runs = self._runs
        for thread, node, bits in threads:
            run = runs.get(thread)
            if run is None:
                runs[thread] = Run(thread, node, bits, time_ns, tick)
            elif run.node != node or run.bits != bits:
                self.columns.append(run, time_ns, tick - run.start_tick)
                run.node, run.bits, run.start_ns, run.start_tick = node, bits, time_ns, tick
        self.tick = tick + 1
        self._last_ns = time_ns

    def retire(self, thread: int, time_ns: int) -> None:
        """End the run of a thread that is no longer there; its last sample was the one before this moment."""
        run = self._runs.pop(thread, None)
        if run is not None:
            self.columns.append(run, time_ns, self.tick - run.start_tick)

    def flush(self) -> None:
        """Close what is known of every run: all but the last sample, whose weight the next one will tell."""
        last = self.tick - 1
        for run in self._runs.values():
            count = last - run.start_tick
            if count > 0:
                self.columns.append(run, self._last_ns, count)
                run.start_ns, run.start_tick = self._last_ns, last

    def finish(self, time_ns: int) -> None:
        """Close every run; ``time_ns`` ends the weight of the last samples."""
        for thread in list(self._runs):
            self.retire(thread, time_ns)
