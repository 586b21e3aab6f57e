"""The seam between the operating system and everything that gives the bytes a meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NewType, Protocol

Address = NewType("Address", int)
"""An address in the target's memory: never dereferenced here, only handed back to :class:`RemoteMemory`."""

NONE: Final = slice(0, 0)


class PreparedRead(Protocol):
    """A vectored read whose sizes are fixed, so that repeating it costs one call and no allocation."""

    @property
    def buffer(self) -> bytearray:
        """The bytes of all ranges, one after the other, as of the last :meth:`read`."""
        ...

    def read(self) -> None:
        """Copy all ranges again, in their order.

        Raises :class:`~nbspy.errors.MemoryFault` where a range cannot be read; the buffer then holds a mixture.
        """
        ...

    def aim(self, index: int, address: int) -> None:
        """Read the range of this index from another address from now on."""
        ...


class RemoteMemory(Protocol):
    """Read access to the memory of one process."""

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes at ``address``; raises :class:`~nbspy.errors.MemoryFault`."""
        ...

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each ``(address, size)``, copied in order, in one system call where there is one.

        Raises :class:`~nbspy.errors.MemoryFault` for the first range that cannot be read.
        """
        ...

    def prepare(self, ranges: Sequence[tuple[int, int]], unordered: slice = NONE) -> PreparedRead:
        """Return a :class:`PreparedRead` of ``ranges``; nothing is read yet.

        Those of ``unordered`` may be copied in any order, and what lies between them may be read with them.
        """
        ...
