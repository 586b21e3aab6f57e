"""Ids of threads in the stream, and what becomes of them in a target that makes thread after thread.

Each thread has a row of its own up to :data:`MAX_THREAD_ROWS`. Those that are born later share rows: one takes the row
of another that has ended, and all these rows have one name. So a server that starts a thread for each request costs a
bounded amount here and in every reader, and no sample is lost.
"""

from __future__ import annotations

from typing import Final

MAX_THREAD_ROWS: Final = 50_000
"""A row costs some 300 bytes in the kernel and as much in the browser, whose table is not read beyond some hundred."""
SHARED_NAME: Final = f"(threads after the first {MAX_THREAD_ROWS:,})"


class ThreadIds:
    """Gives out ids; shared by all processes of a sampler."""

    def __init__(self, limit: int = MAX_THREAD_ROWS) -> None:
        self._limit = limit
        self._next = 0
        self._free: dict[int, list[int]] = {}
        """By process: shared ids whose thread has ended."""

    def take(self, process: int) -> int:
        """Return the id for a thread of ``process`` that is new."""
        if self._next >= self._limit and (free := self._free.get(process)):
            return free.pop()
        self._next += 1
        return self._next - 1

    def give_back(self, process: int, thread: int) -> None:
        """Say that this thread of ``process`` has ended."""
        if self.shared(thread):
            self._free.setdefault(process, []).append(thread)

    def shared(self, thread: int) -> bool:
        """Whether this id may stand for several threads."""
        return thread >= self._limit
