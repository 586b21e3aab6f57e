"""Durations in logarithmic buckets: median and percentiles in bounded memory.

Eight buckets an octave: a percentile is exact to 9 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

_PER_OCTAVE: Final = 8


class DurationHistogram:
    """Counts of durations in nanoseconds."""

    def __init__(self) -> None:
        self.count = 0
        self.total_ns = 0
        self._buckets: dict[int, int] = {}

    def add(self, durations_ns: Iterable[int]) -> None:
        buckets = self._buckets
        for duration in durations_ns:
            self.count += 1
            self.total_ns += duration
            bucket = int(math.log2(max(duration, 1)) * _PER_OCTAVE)
            buckets[bucket] = buckets.get(bucket, 0) + 1

    def quantile(self, share: float) -> int:
        """Return the duration below which ``share`` of them lie; 0 while there is none."""
        wanted = share * self.count
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return round(2 ** ((bucket + 0.5) / _PER_OCTAVE))
        return 0
