"""Which memory to copy so that a thread's next stack lies in it, and where in that copy a frame then begins.

Frames on the data stack lie one behind the other: a range for each chunk, and a little more above the leaf, because the
next sample may be some calls deeper. Frame objects (<= 3.10), and those of generators, have a range each; as they come
back to the same places, some of those that are no longer on the chain are copied too.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from typing import Final

_PAGE: Final = 4096
_MERGE_GAP: Final = 2048
"""Frames closer than this share a range: copying the gap is cheaper than another range."""
_SLACK: Final = 1024
"""Copied above the leaf, because the next sample may be a few calls deeper; never into a page not read before."""
_MAX_SLACK: Final = 8192
"""Copied above the leaf where deeper frames were seen before."""
_SPARES: Final = 12
"""Places of frame objects (<= 3.10) and generators that are copied although no frame was there the last time."""


class FramePlaces:
    """The places of one thread's frames."""

    __slots__ = ("_copied_to", "_deltas", "_ends", "_left", "_size", "_starts")

    def __init__(self, size: int) -> None:
        """``size``: bytes at the beginning of a frame that are wanted."""
        self._size = size
        self._copied_to = 0
        """End of the highest range that was chosen last."""
        self._left: dict[int, None] = {}
        """Addresses of frame objects and generators' frames that have left the chain, the latest last."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._deltas: list[int] = []

    def reset(self) -> None:
        """Forget where frames were."""
        self._copied_to = 0
        self._left.clear()

    def leave(self, addresses: Iterable[int]) -> None:
        """Take note that these frames, each in an object of its own, are no longer on the chain."""
        self._left.update(dict.fromkeys(addresses))

    def choose(self, addresses: Sequence[int], elsewhere: Collection[int] = ()) -> list[tuple[int, int]]:
        """Return the ranges for the frames at ``addresses``, root first; ``elsewhere`` are not on the data stack."""
        frames = self._ranges(addresses, elsewhere, _MERGE_GAP)
        ends = sorted((address, address + size) for address, size in frames)
        if any(end > start for (_, end), (start, _) in itertools.pairwise(ends)):
            # Objects on the heap: what lies between two frames may be a third, from elsewhere in the chain.
            frames = self._ranges(addresses, elsewhere, 0)
        return frames + self._spares(addresses)

    def _ranges(self, addresses: Sequence[int], elsewhere: Collection[int], merge_gap: int) -> list[tuple[int, int]]:
        """Frames that are not further apart than the gap share a range."""
        size = self._size
        ranges: list[tuple[int, int]] = []
        low = high = 0
        top = -1
        for address in addresses:
            if low and high <= address <= high + merge_gap:
                high = address + size
            else:
                if low:
                    ranges.append((low, high - low))
                low, high = address, address + size
            if address not in elsewhere:
                top = len(ranges)
        if low:
            ranges.append((low, high - low))
        if merge_gap and top >= 0:
            # What is called next begins above the last frame of the data stack, wherever the leaf is.
            low, length = ranges[top]
            ranges[top] = low, self._extent_above(low + length) - low
        return ranges

    def _spares(self, addresses: Sequence[int]) -> list[tuple[int, int]]:
        """Where frames that are gone lay: objects of one size come back to the same places."""
        for address in addresses:
            self._left.pop(address, None)
        for address in list(self._left)[:-_SPARES]:
            del self._left[address]
        return [(address, self._size) for address in self._left]

    def _extent_above(self, high: int) -> int:
        """Return up to where to copy above the leaf: what is mapped for certain, and helps if calls get deeper."""
        end = min(high + _SLACK, -(-high // _PAGE) * _PAGE)
        if high < self._copied_to <= high + _MAX_SLACK:
            # It could be read the last time. Where it no longer can, the fault makes everyone plan anew.
            end = max(end, self._copied_to)
        self._copied_to = end
        return end

    def lay_out(self, ranges: Sequence[tuple[int, int]], first: int) -> None:
        """Take ``ranges`` for those that are copied, one behind the other, from offset ``first`` of the copy on.

        They may overlap: objects that are freed and made lie anywhere, and what a torn copy takes for frames does, too.
        A range within another is not looked at, so that of those left the one that begins last also ends last.
        """
        offset = first
        found = []
        for address, size in ranges:
            found.append((address, -(address + size), offset - address))
            offset += size
        table: list[tuple[int, int, int]] = []
        for start, negative, delta in sorted(found):
            if not table or -negative > table[-1][1]:
                table.append((start, -negative, delta))
        self._starts = [start for start, _, _ in table]
        self._ends = [end for _, end, _ in table]
        self._deltas = [delta for _, _, delta in table]

    def offset_of(self, address: int) -> int:
        """Return where the frame at ``address`` begins in a copy; -1 where it is not in one."""
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address + self._size > self._ends[index]:
            return -1
        return address + self._deltas[index]

    def range_around(self, address: int) -> tuple[int, int, int]:
        """Return the lowest and highest frame address of the range that holds ``address``, and its delta.

        Offsets in a copy are never 0, so neither are deltas of addresses; (0, 0, 0) is "in no range". For each address
        up to the highest :meth:`offset_of` says the same: where two ranges overlap, the later one has what both have.
        """
        starts = self._starts
        after = bisect_right(starts, address)
        index = after - 1
        if index < 0 or address + self._size > self._ends[index]:
            return 0, 0, 0
        high = self._ends[index] - self._size
        if after < len(starts) and starts[after] <= high:
            high = starts[after] - 1
        return starts[index], high, self._deltas[index]
