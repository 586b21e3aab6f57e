"""What a session holds in the kernel, bounded: a day at 100 Hz of 50 threads is some tens of millions of runs.

Past the budget the older part of the session is kept at half its resolution in time, both in the profile and in the
stream that a browser or a file gets; counts and times stay exact. The newest part stays as it came, because browsers
may not have it yet. That takes seconds in a process that runs somebody's cells, so it is done in slices, one with each
piece of the stream that comes; what comes meanwhile may be a quarter of the budget more.

:data:`MAX_RUNS`: a row takes 25 bytes in the columns, 21 in the stream, as much again in a profile that is looked at,
and some hundred bytes for a moment while rows are merged. With a million a kernel stays below 300 MiB whatever the
target does (``python -m bench.day`` measures it), and what a person can ask of them is answered in seconds.
:data:`MAX_LOG_BYTES`: the stream also holds what no row says, such as five status records a second.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from nbspy import wire
from nbspy.byte_log import ByteLog
from nbspy.model.builder import Builder
from nbspy.model.coarsening import Steps, coarsening
from nbspy.model.encoding import beginning, samples
from nbspy.model.tables import Extent

MAX_RUNS: Final = 1_000_000
"""Rows in the profile above which the older ones are halved."""
MAX_LOG_BYTES: Final = 32 << 20
"""Bytes of the stream above which its beginning is written anew."""
KEPT_BYTES: Final = 4 << 20
"""The newest part of the stream that stays as it is: a relay is at most some messages of 100 kB behind."""
CHECKPOINT_BYTES: Final = 1 << 20
"""So far apart are the places in the stream up to which it can be shortened."""
SLICE_S: Final = 0.02
"""Of halving, each time that something comes: at least five times a second."""
_PATIENCE: Final = 1.25
"""Of a budget: what is beyond it ends the halving at once."""


class Bounds:
    """Keeps one session's profile and stream within their budgets. Called by the thread that fills them."""

    def __init__(
        self,
        builder: Builder,
        log: ByteLog,
        *,
        max_runs: int = MAX_RUNS,
        max_log_bytes: int = MAX_LOG_BYTES,
        kept_bytes: int = KEPT_BYTES,
        slice_s: float = SLICE_S,
    ) -> None:
        self._builder = builder
        self._log = log
        self._max_runs = max_runs
        self._max_log_bytes = max_log_bytes
        self._kept_bytes = kept_bytes
        self._checkpoint_bytes = min(CHECKPOINT_BYTES, max(1, kept_bytes // 4))
        self._checkpoints: deque[tuple[int, int, Extent]] = deque()
        """(offset, rows so far, tables so far)"""
        self._noted = 0
        self._slice_s = slice_s
        self._halving: Steps[None] | None = None
        self._window_ns = 0
        """Time that became one row at the last halving."""
        self.halvings = 0

    def keep(self, changed: threading.Condition) -> None:
        """Note how far the stream is, and shorten what is beyond the budget. ``changed`` guards the builder."""
        log, builder = self._log, self._builder
        if log.size - self._noted >= self._checkpoint_bytes:
            self._noted = log.size
            self._checkpoints.append((log.size, builder.run_count, builder.extent()))
        if self._halving is None and self._beyond(1.0):
            usable: tuple[int, int, Extent] | None = None
            while self._checkpoints and self._checkpoints[0][0] <= log.size - self._kept_bytes:
                usable = self._checkpoints.popleft()
            if usable is not None:
                self._halving = self._shorten(*usable, changed)
        if self._halving is not None:
            self._go_on(self._halving)

    def _beyond(self, times: float) -> bool:
        """Return whether there is more than so many times of what may be."""
        return self._builder.run_count > times * self._max_runs or self._log.held > times * self._max_log_bytes

    def _go_on(self, halving: Steps[None]) -> None:
        """Halve for the time of a slice, or to the end where too much has come meanwhile."""
        ends = time.perf_counter() + self._slice_s
        at_once = self._beyond(_PATIENCE)
        for _ in halving:
            if not at_once and time.perf_counter() > ends:
                return
        self._halving = None

    def _shorten(self, base: int, rows: int, extent: Extent, changed: threading.Condition) -> Steps[None]:
        """Halve what came before ``base``. Only the swap is guarded: nobody else changes columns meanwhile."""
        profile = self._builder.snapshot()
        # Half of what may be is left for what comes; what is newer than the checkpoint counts too.
        newer = len(profile.runs) - rows
        wanted = max(1, self._max_runs // 2 - newer)
        first = profile.runs.head(rows)
        coarse, self._window_ns = yield from coarsening(first, wanted, profile.tables.nodes, self._window_ns)
        del first
        yield
        records = [*beginning(profile, extent), *samples(coarse)]
        if profile.status is not None:
            records.append(profile.status)
        head = wire.MAGIC + b"".join(map(wire.encode, records))
        if len(head) > base:
            return
        dropped = rows - len(coarse)
        with changed:
            self._builder.replace_first_runs(rows, coarse)
            self._log.shorten(head, base)
        self._checkpoints = deque((offset, row - dropped, extent) for offset, row, extent in self._checkpoints)
        self.halvings += 1
        # Tables alone may be more than the budget: it grows with them, or every record would shorten again.
        self._max_runs = max(self._max_runs, 2 * len(coarse))
        self._max_log_bytes = max(self._max_log_bytes, 2 * len(head) + self._kept_bytes)
