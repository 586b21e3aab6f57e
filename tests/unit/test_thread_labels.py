"""How often the names of threads are read."""

from __future__ import annotations

from typing import Any, cast

import pytest

from nbspy.cpython.thread_list import TrackedThread
from nbspy.sampling.thread_labels import LATER_NS, SOON_NS, ThreadLabels

MS = 1_000_000


class Watched(ThreadLabels):
    """Reads no names, but takes its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cost_ms: int) -> None:
        super().__init__(cast("Any", None), cast("Any", None))
        self._cost_ns = cost_ms * MS
        self._clock_ns = 0
        self.reads: list[int] = []
        self.now_ns = 0
        monkeypatch.setattr("nbspy.sampling.thread_labels.time.monotonic_ns", lambda: self._clock_ns)

    def names(self, threads: Any) -> dict[TrackedThread, str]:
        self._clock_ns += self._cost_ns
        self.reads.append(self.now_ns)
        return {}

    def flush_until(self, end_ns: int) -> list[int]:
        """Flush every 200 ms up to then; return when names were read, in ms."""
        self.reads.clear()
        while self.now_ns < end_ns:
            assert list(self.changed([], self.now_ns)) == []
            self.now_ns += 200 * MS
        return [read // MS for read in self.reads]


def test_names_are_read_at_once_soon_and_then_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = Watched(monkeypatch, cost_ms=1)
    assert (SOON_NS, LATER_NS) == (500 * MS, 5000 * MS)
    assert labels.flush_until(13_000 * MS) == [0, 600, 5600, 10600]
    labels.threads_changed()
    assert labels.flush_until(14_500 * MS) == [13_000, 13_600]


def test_names_that_take_long_are_read_seldom_also_where_threads_come_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = Watched(monkeypatch, cost_ms=100)
    assert labels.flush_until(45_000 * MS) == [0, 2000, 22_000, 42_000]
    reads = []
    for end_ms in range(46_000, 54_000, 200):
        labels.threads_changed()
        reads += labels.flush_until(end_ms * MS)
    assert len(reads) <= 5


def test_what_is_due_at_the_end_is_read_then(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = Watched(monkeypatch, cost_ms=100)
    labels.flush_until(200 * MS)
    labels.threads_changed()
    assert labels.flush_until(400 * MS) == []
    labels.rested()
    assert labels.flush_until(600 * MS) == [400]
