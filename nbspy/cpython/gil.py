"""Who holds the GIL: ``struct _gil_runtime_state`` (3.12+), or the word that names the current thread state.

And who waits for it: a thread whose lock, as the system knows it, is one of the GIL's.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import Interpreter, word

_GIL_SIZE = 32
"""interval, last holder, locked, switch number: 8 bytes each."""
_LOCK_SIZE = 32
"""Of the ``sem_t`` that is the GIL of 2.7."""
_WORD_SIZE = 8
_GIL_WITH_LOCKS = 256
"""Those, then two condition variables and two mutexes of the C library (208 bytes with glibc on x86-64)."""


class GilWords:
    """The words that tell, and how to read them: interpreters that share a GIL are asked once."""

    def __init__(self, runtime: Runtime, interpreters: Sequence[Interpreter]) -> None:
        self._fields = runtime.layout.gil
        current = runtime.current_thread_state
        if self._fields is not None:
            gils = dict.fromkeys(interpreter.gil for interpreter in interpreters if interpreter.gil)
            self.ranges = [(gil, _GIL_SIZE) for gil in gils]
        else:
            self.ranges = [] if current is None else [(current, _WORD_SIZE)]
        self._locks = self._lock_ranges(runtime)
        self._pointer_at: int | None = None
        """2.7: where, in a copy, the pointer to the lock stands that is the GIL."""
        if runtime.statics is not None and runtime.statics.lock_pointer is not None:
            self._pointer_at = _WORD_SIZE * len(self.ranges)
            self.ranges.append((runtime.statics.lock_pointer, _WORD_SIZE))
        self._last_words: bytes | bytearray = b""
        self._last_holders: tuple[int, ...] = ()
        self.size = sum(size for _, size in self.ranges)

    def _lock_ranges(self, runtime: Runtime) -> list[tuple[int, int]]:
        """Where the condition variables and mutexes of the GILs lie, from 3.6 on."""
        if self._fields is not None:
            return [(gil, gil + _GIL_WITH_LOCKS) for gil, _ in self.ranges]
        if runtime.statics is not None:
            return list(runtime.statics.locks)
        gil = runtime.layout.runtime.gil
        return [] if gil is None else [(runtime.address + gil, runtime.address + gil + _GIL_WITH_LOCKS)]

    def is_waited_for(self, lock: int) -> bool:
        """True where a thread that waits for the lock at this address waits for a GIL, as of the last :meth:`holders`.

        Never for one whose locks are not known.
        """
        if self._pointer_at is not None and self._last_words:
            pointer = word(self._last_words, self._pointer_at)
            return 0 < pointer <= lock < pointer + _LOCK_SIZE
        return any(start <= lock < end for start, end in self._locks)

    def holders(self, data: bytes | bytearray, start: int = 0) -> tuple[int, ...]:
        """Return the thread states that hold a GIL, given a copy of :attr:`ranges` at ``start`` of ``data``.

        Hot path: asked twice a sample, and mostly of the same words.
        """
        words = data[start : start + self.size]
        if words != self._last_words:
            self._last_holders = self._parse(words)
            self._last_words = words
        return self._last_holders

    def _parse(self, data: bytes | bytearray) -> tuple[int, ...]:
        fields = self._fields
        if fields is None:
            current = word(data, 0) if self.ranges else 0
            return (current,) if current else ()
        found = []
        for offset in range(0, self.size, _GIL_SIZE):
            locked = int.from_bytes(data[offset + fields.locked : offset + fields.locked + 4], "little", signed=True)
            holder = word(data, offset + fields.last_holder)
            # -1 before the GIL is made, 1 while it is held.
            if locked == 1 and holder:
                found.append(holder)
        return tuple(found)
