"""Memory read by whole pages, each once: for one look at many small objects that lie close together.

Memory is mapped by pages, so that a whole page can be read wherever one byte of it can. What is seen is as old as the
first read of its page: make a new cache for each look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nbspy.errors import MemoryFault
from nbspy.target.memory import NONE, PreparedRead, RemoteMemory

PAGE_SIZE: Final = 4096
"""The smallest page of any platform: a larger one is read in parts."""


class PageCache:
    """A :class:`~nbspy.target.memory.RemoteMemory` in front of another.

    A read that is longer than :data:`PAGE_SIZE` goes past the cache: large data is read once anyway.
    """

    def __init__(self, memory: RemoteMemory) -> None:
        self._memory = memory
        self._pages: dict[int, bytes] = {}

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes at ``address``; raises MemoryFault."""
        start = address & ~(PAGE_SIZE - 1)
        offset = address - start
        page = self._pages.get(start)
        if page is not None and 0 <= size <= PAGE_SIZE - offset:
            return page[offset : offset + size]
        if not 0 <= size <= PAGE_SIZE:
            return self._memory.read(address, size)
        try:
            data = self._page(start)
            if offset + size > PAGE_SIZE:
                data += self._page(start + PAGE_SIZE)
        except MemoryFault:
            raise MemoryFault(address, size) from None
        return data[offset : offset + size]

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each range; raises MemoryFault for the first that cannot be read."""
        return [self.read(address, size) for address, size in ranges]

    def prepare(self, ranges: Sequence[tuple[int, int]], unordered: slice = NONE) -> PreparedRead:
        """Return a prepared read of the memory itself: what is read again is wanted as it is then."""
        return self._memory.prepare(ranges, unordered)

    def _page(self, start: int) -> bytes:
        page = self._pages.get(start)
        if page is None:
            page = self._pages[start] = self._memory.read(start, PAGE_SIZE)
        return page
