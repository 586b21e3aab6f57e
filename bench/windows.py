"""What targets log while they are sampled: pairs of 64-bit integers, the first of them monotonic times in ns."""

from __future__ import annotations

import statistics
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

_PAIR: Final = struct.Struct("<qq")
WINDOW_NS: Final = 50_000_000

Pair = tuple[int, int]


def read_pairs(file: Path) -> list[Pair]:
    """Return the pairs in ``file``; one that is cut, at the end, is left out."""
    data = file.read_bytes()
    return list(_PAIR.iter_unpack(data[: len(data) // _PAIR.size * _PAIR.size]))


def inside(windows: Iterable[Pair], begin_ns: int, end_ns: int) -> Iterator[int]:
    """Yield the work of the windows (begin, work) that lie wholly between the two times."""
    for begin, work in windows:
        if begin >= begin_ns and begin + WINDOW_NS <= end_ns:
            yield work


def slowdown(on: Sequence[int], off: Sequence[int]) -> float:
    """Return how much less is done in a window of ``on`` than in one of ``off``, in percent of the latter; medians."""
    return 100 * (1 - statistics.median(on) / statistics.median(off))
