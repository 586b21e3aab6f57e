"""A :class:`~nbspy.target.memory.RemoteMemory` made of segments, so that most readers need no process to be tested."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from nbspy.errors import MemoryFault
from nbspy.target.memory import NONE, PreparedRead


class FakeMemory:
    """Memory that holds ``segments`` (``{address: bytes}``) and nothing else.

    Segments that touch are one piece, as mappings are; a read that leaves them is a :class:`MemoryFault`.
    """

    def __init__(self, segments: Mapping[int, bytes] | None = None) -> None:
        self._segments: list[tuple[int, bytearray]] = []
        self.reads = 0
        """How often the memory was asked: one per :meth:`read`, :meth:`read_many` and prepared read."""
        self.copied: list[set[int]] = []
        """Where the ranges of each vectored read began."""
        for address, data in sorted((segments or {}).items()):
            self.add(address, data)

    def add(self, address: int, data: bytes) -> None:
        """Add a segment; raises ValueError where it overlaps one that is there."""
        position = bisect_right(self._segments, address, key=lambda segment: segment[0])
        if position and self._segments[position - 1][0] + len(self._segments[position - 1][1]) > address:
            raise ValueError(f"segment at {address:#x} overlaps the one below")
        if position < len(self._segments) and address + len(data) > self._segments[position][0]:
            raise ValueError(f"segment at {address:#x} overlaps the one above")
        self._segments.insert(position, (address, bytearray(data)))

    def write(self, address: int, data: bytes) -> None:
        """Overwrite bytes of one segment, as a running target would; raises ValueError outside of it."""
        position = bisect_right(self._segments, address, key=lambda segment: segment[0]) - 1
        start, segment = self._segments[position] if position >= 0 else (0, bytearray())
        if address - start + len(data) > len(segment):
            raise ValueError(f"no segment holds {len(data)} bytes at {address:#x}")
        segment[address - start : address - start + len(data)] = data

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes at ``address``; raises MemoryFault outside the segments."""
        self.reads += 1
        return self._read(address, size)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each range; raises MemoryFault for the first that leaves the segments."""
        self.reads += 1
        self.copied.append({address for address, _ in ranges})
        return [self._read(address, size) for address, size in ranges]

    def prepare(self, ranges: Sequence[tuple[int, int]], unordered: slice = NONE) -> PreparedRead:
        """Return a prepared read of ``ranges``."""
        return FakePreparedRead(self, list(ranges))

    def _read(self, address: int, size: int) -> bytes:
        pieces: list[bytes] = []
        position = max(0, bisect_right(self._segments, address, key=lambda segment: segment[0]) - 1)
        at, left = address, size
        for start, segment in self._segments[position:]:
            if left <= 0 or not start <= at < start + len(segment):
                break
            pieces.append(bytes(segment[at - start : at - start + left]))
            at += len(pieces[-1])
            left -= len(pieces[-1])
        if left or size < 0:
            raise MemoryFault(address, size)
        return b"".join(pieces)


class FakePreparedRead:
    """Prepared read over :class:`FakeMemory`."""

    def __init__(self, memory: FakeMemory, ranges: list[tuple[int, int]]) -> None:
        self._memory = memory
        self._ranges = ranges
        self._buffer = bytearray(sum(size for _, size in ranges))

    @property
    def buffer(self) -> bytearray:
        """The bytes of all ranges, one after the other."""
        return self._buffer

    def aim(self, index: int, address: int) -> None:
        """Read the range of this index from another address from now on."""
        self._ranges[index] = (address, self._ranges[index][1])

    def read(self) -> None:
        """Copy all ranges again; raises MemoryFault for the first that leaves the segments."""
        self._buffer[:] = b"".join(self._memory.read_many(self._ranges))
