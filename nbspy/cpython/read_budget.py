"""Reading much and small within bounds: whole pages, each once, until the time or the bytes are spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from nbspy.cpython.page_cache import PAGE_SIZE, PageCache
from nbspy.errors import NbspyError
from nbspy.target.memory import NONE, PreparedRead, RemoteMemory

_NEVER: Final = 1 << 63


class BudgetSpent(NbspyError):
    """What a reader was given of time or bytes is used up. Not the target's fault, and no end of it."""

    kind = "budget-spent"


class Budget:
    """So many nanoseconds from now, and so many bytes."""

    def __init__(self, time_ns: int, size: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._deadline_ns = clock() + time_ns
        self._left = size

    def spend(self, size: int) -> None:
        """Take ``size`` bytes; raises :class:`BudgetSpent` where they are not there, now and ever after."""
        self._left -= size
        if self._left < 0 or self._clock() > self._deadline_ns:
            self._left = -_NEVER
            raise BudgetSpent("the budget for reading is spent")


class BudgetedMemory:
    """A :class:`~nbspy.target.memory.RemoteMemory` that pays for what it reads, and reads no page twice."""

    def __init__(self, memory: RemoteMemory, budget: Budget) -> None:
        self._pages = PageCache(_Paid(memory, budget))

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes at ``address``; raises MemoryFault, :class:`BudgetSpent`."""
        return self._pages.read(address, size)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return self._pages.read_many(ranges)

    def prepare(self, ranges: Sequence[tuple[int, int]], unordered: slice = NONE) -> PreparedRead:
        return self._pages.prepare(ranges, unordered)


class _Paid:
    """The memory behind the pages."""

    def __init__(self, memory: RemoteMemory, budget: Budget) -> None:
        self._memory = memory
        self._budget = budget

    def read(self, address: int, size: int) -> bytes:
        self._budget.spend(max(size, PAGE_SIZE))
        return self._memory.read(address, size)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self._budget.spend(sum(max(size, 0) for _, size in ranges))
        return self._memory.read_many(ranges)

    def prepare(self, ranges: Sequence[tuple[int, int]], unordered: slice = NONE) -> PreparedRead:
        return self._memory.prepare(ranges, unordered)
