"""``RemoteMemory`` for systems that copy one range a call (macOS, Windows).

A copy of several ranges takes several calls, so that less of it is of one instant than with Linux's vectored call; what
decides whether a sample is believed is the same. Hot path: :meth:`RangePreparedRead.read` runs on every sample.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

from nbspy.errors import MemoryFault
from nbspy.target.memory import NONE

Copy = Callable[[int, int, int], bool]
"""Copies (remote address, size) to a local address; False for a fault; raises what else may be wrong."""
_ADDRESSES = 1 << 64


class RangePreparedRead:
    """Implements :class:`~nbspy.target.memory.PreparedRead`."""

    def __init__(self, copy: Copy, ranges: Sequence[tuple[int, int]]) -> None:
        self._copy = copy
        total = sum(size for _, size in ranges)
        self.buffer = bytearray(total)
        # The buffer is never resized, so its address may be kept as long as the exporting view is.
        self._view = (ctypes.c_char * total).from_buffer(self.buffer) if total else None
        local = ctypes.addressof(self._view) if self._view is not None else 0
        self._calls: list[tuple[int, int, int]] = []
        for address, size in ranges:
            self._calls.append((address, size, local))
            local += size

    def aim(self, index: int, address: int) -> None:
        _, size, local = self._calls[index]
        self._calls[index] = (address, size, local)

    def read(self) -> None:
        copy = self._copy
        for address, size, local in self._calls:
            if size and not copy(address, size, local):
                raise MemoryFault(address, size)


class RangeMemory:
    """Implements :class:`~nbspy.target.memory.RemoteMemory` over one copying call."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy

    def read(self, address: int, size: int) -> bytes:
        _check(address, size)
        if not size:
            return b""
        buffer = ctypes.create_string_buffer(size)
        if not self._copy(address, size, ctypes.addressof(buffer)):
            raise MemoryFault(address, size)
        return buffer.raw

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.read(address, size) for address, size in ranges]

    def prepare(self, ranges: Sequence[tuple[int, int]], unordered: slice = NONE) -> RangePreparedRead:
        for address, size in ranges:
            _check(address, size)
        return RangePreparedRead(self._copy, ranges)


def _check(address: int, size: int) -> None:
    if size < 0 or not 0 <= address < _ADDRESSES:
        raise MemoryFault(address, size)
