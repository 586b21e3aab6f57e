"""The stream of a session as it grows: written by one thread, read by any."""

from __future__ import annotations

import threading

from nbspy import wire


class ByteLog:
    """Append-only bytes; offsets count from 0. It holds whole records only, so any record may be put at its end."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._closed = False
        self._grown = threading.Condition()

    @property
    def size(self) -> int:
        """Bytes so far; always a record boundary."""
        return len(self._bytes)

    @property
    def closed(self) -> bool:
        """True once nothing more will come: a size read after that is final."""
        return self._closed

    def read(self, start: int = 0, limit: int | None = None) -> bytes:
        """Return up to ``limit`` bytes (None: all there are) from offset ``start``."""
        with self._grown:
            end = len(self._bytes) if limit is None else min(len(self._bytes), start + limit)
            return bytes(self._bytes[start:end])

    def wait_beyond(self, offset: int, timeout: float | None = None) -> bool:
        """Wait until there are more than ``offset`` bytes, the log is closed, or ``timeout`` seconds have passed.

        Returns whether there are more than ``offset`` bytes.
        """
        with self._grown:
            self._grown.wait_for(lambda: self._closed or len(self._bytes) > offset, timeout)
            return len(self._bytes) > offset

    def append(self, records: bytes | bytearray) -> bool:
        """Append whole records (the first: with the signature in front); return False where the log is closed."""
        with self._grown:
            if self._closed:
                return False
            self._bytes += records
            self._grown.notify_all()
            return True

    def append_record(self, record: wire.Record) -> bool:
        """Append a record of the kernel's own, which carries sequence 0; return False where the log is closed."""
        return self.append(wire.encode(record))

    def close(self) -> None:
        """Say that nothing more will come."""
        with self._grown:
            self._closed = True
            self._grown.notify_all()
