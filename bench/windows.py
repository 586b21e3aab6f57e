"""What targets log while they are sampled: records of 64-bit integers, the first of them monotonic times in ns."""

from __future__ import annotations

import statistics
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

_PAIR: Final = struct.Struct("<qq")
_WINDOW: Final = struct.Struct("<6q")
LONG_NS: Final = 50_000_000
"""What speeds are taken of where phases are not short: single windows are shorter than many a profiler's stop."""

Pair = tuple[int, int]


class Window(NamedTuple):
    """What one thread did from one moment to another (``targets/work.py``)."""

    begin_ns: int
    end_ns: int
    work: int
    ran_ns: int
    """Time in which it had a processor."""
    waited_ns: int
    """Time in which it was ready and other programs had its processor."""
    turns: int
    """How often it was given one: of 0 nothing in this system interrupted it."""

    @property
    def length_ns(self) -> int:
        return self.end_ns - self.begin_ns

    @property
    def gone_ns(self) -> int:
        """Time in which it neither ran nor waited: it was kept standing, or the host had the processor."""
        return self.length_ns - self.ran_ns - self.waited_ns


def read_pairs(file: Path) -> list[Pair]:
    """Return the pairs in ``file``; one that is cut, at the end, is left out."""
    return list(_PAIR.iter_unpack(_whole(file, _PAIR.size)))


def read_windows(file: Path) -> list[Window]:
    """Return the windows in ``file``; one that is cut, at the end, is left out."""
    return [Window(*values) for values in _WINDOW.iter_unpack(_whole(file, _WINDOW.size))]


def _whole(file: Path, size: int) -> bytes:
    data = file.read_bytes()
    return data[: len(data) // size * size]


def speeds(windows: Iterable[Window], begin_ns: int, end_ns: int) -> Iterator[float]:
    """Yield the work per ns of each :data:`LONG_NS` that lies wholly between the two times; waiting does not count."""
    work = own_ns = length_ns = 0
    for window in windows:
        if window.begin_ns < begin_ns or window.end_ns > end_ns:
            continue
        work += window.work
        own_ns += window.length_ns - window.waited_ns
        length_ns += window.length_ns
        if length_ns >= LONG_NS:
            if own_ns >= LONG_NS // 5:
                yield work / own_ns
            work = own_ns = length_ns = 0


def slowdown(on: Sequence[float], off: Sequence[float]) -> float:
    """Return how much slower ``on`` is than ``off``, in percent of the latter; medians."""
    return 100 * (1 - statistics.median(on) / statistics.median(off))
