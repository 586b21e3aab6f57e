"""The moments to sample at: an absolute schedule, with jitter.

Deadlines lie on a fixed grid, so one late sample does not delay those after it; each is moved by up to a tenth of the
interval, because a target that works in step with the clock would otherwise
always be seen in the same place (aliasing).
What is taken a little late is still a sample: from 10 kHz on those of the last 10 ms are made up for, one right after
the other, so that writing what was seen (7 ms, five times a second, at 20 kHz) does not cost any. All others that have
passed are left out.
Lateness is data: it is counted, never printed.
"""

from __future__ import annotations

import time
from _random import Random  # that of random, which imports hashes and more for what else it offers
from collections.abc import Callable
from typing import Final

JITTER: Final = 0.1
"""Largest shift, as a part of the interval, to either side."""
FAST_NS: Final = 100_000
"""Intervals up to this are those of a fast clock."""
CATCH_UP_NS: Final = 10_000_000
"""What of its deadlines passed longer ago is left out."""


class Clock:
    """Deadlines every ``interval_ns``; ``now`` is the monotonic clock."""

    def __init__(self, interval_ns: int, now: Callable[[], int] = time.monotonic_ns, seed: int | None = None) -> None:
        self.interval_ns = interval_ns
        self._now = now
        self._random = Random(seed).random
        self._jitter = 2 * JITTER * interval_ns
        self._grid = now()
        self.late = 0
        """Deadlines that were missed by more than half an interval."""

    def next_deadline(self) -> int:
        """Return the next moment to sample at, which may have passed; those long ago are counted and left out."""
        interval = self.interval_ns
        self._grid += interval
        behind = self._now() - self._grid
        if behind > interval // 2:
            self.late += 1
            if behind > (CATCH_UP_NS if interval <= FAST_NS else interval):
                # Too late for these: go on with the next on the grid instead of hurrying after them.
                self._grid += behind // interval * interval
        return self._grid + int((self._random() - 0.5) * self._jitter)
