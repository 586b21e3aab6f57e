"""The stream of a session as it grows: written by one thread, read by any."""

from __future__ import annotations

import threading

from nbspy import wire


class ByteLog:
    """Append-only bytes; offsets count from 0. It holds whole records only, so any record may be put at its end.

    Its beginning can be replaced by a shorter one that says the same in less detail (:meth:`shorten`). Offsets behind
    it stay what they are, so who has read on is not concerned; who begins at 0 reads the shorter beginning, and goes
    on at :meth:`goes_on_at`.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._closed = False
        self._grown = threading.Condition()
        self._head = b""
        self._base = 0
        """Offset of the first of ``_bytes``: ``_head`` stands for what came before."""
        self._head_number = 0

    @property
    def size(self) -> int:
        """Offset behind the last byte so far; always a record boundary."""
        return self._base + len(self._bytes)

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return len(self._head) + len(self._bytes)

    @property
    def base(self) -> int:
        """Offset from which on the bytes are those that were written; 0 where nothing was shortened."""
        return self._base

    @property
    def head_number(self) -> int:
        """How often the beginning was replaced."""
        return self._head_number

    @property
    def closed(self) -> bool:
        """True once nothing more will come: a size read after that is final."""
        return self._closed

    def read(self, start: int = 0, limit: int | None = None) -> bytes:
        """Return up to ``limit`` bytes from offset ``start``; without a limit, all that follows, a whole stream from 0.

        With a limit nothing is read across the end of a shortened beginning.
        """
        with self._grown:
            if limit is None and start == 0:
                return self._head + bytes(self._bytes)
            if start < self._base:
                return self._head[start : len(self._head) if limit is None else start + limit]
            start -= self._base
            return bytes(self._bytes[start : len(self._bytes) if limit is None else start + limit])

    def goes_on_at(self, offset: int) -> int:
        """Return the offset of what follows ``offset``: that itself, or where a shortened beginning has its end."""
        with self._grown:
            return self._base if len(self._head) <= offset < self._base else offset

    def shorten(self, head: bytes, base: int) -> None:
        """Let ``head``, a stream of its own, stand for everything before offset ``base``, a record boundary."""
        with self._grown:
            if not self._base <= base <= self.size or len(head) > base:
                raise ValueError(f"a beginning of {len(head)} bytes for what comes before {base}")
            del self._bytes[: base - self._base]
            self._head, self._base = head, base
            self._head_number += 1

    def wait_beyond(self, offset: int, timeout: float | None = None) -> bool:
        """Wait until there are more than ``offset`` bytes, the log is closed, or ``timeout`` seconds have passed.

        Returns whether there are more than ``offset`` bytes.
        """
        with self._grown:
            self._grown.wait_for(lambda: self._closed or self.size > offset, timeout)
            return self.size > offset

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
