"""Who holds the GIL: ``struct _gil_runtime_state`` (3.12+), or ``_PyRuntime``'s current thread state (3.11)."""

from __future__ import annotations

from collections.abc import Sequence

from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import Interpreter, word

_GIL_SIZE = 32
"""interval, last holder, locked, switch number: 8 bytes each."""
_GIL_WITH_LOCKS = 256
"""Those, then two condition variables and two mutexes of the C library (208 bytes with glibc on x86-64)."""


class GilWords:
    """The words that tell, and how to read them: interpreters that share a GIL are asked once."""

    def __init__(self, runtime: Runtime, interpreters: Sequence[Interpreter]) -> None:
        self._fields = runtime.layout.gil
        current = runtime.layout.runtime.current_thread_state
        if self._fields is None:
            self.ranges = [] if current is None else [(runtime.address + current, 8)]
        else:
            gils = dict.fromkeys(interpreter.gil for interpreter in interpreters if interpreter.gil)
            self.ranges = [(gil, _GIL_SIZE) for gil in gils]
        self._locks = self._lock_ranges(runtime)
        self._last_words: bytes | bytearray = b""
        self._last_holders: tuple[int, ...] = ()
        self.size = sum(size for _, size in self.ranges)

    def _lock_ranges(self, runtime: Runtime) -> list[tuple[int, int]]:
        """Where the condition variables and mutexes of the GILs lie."""
        if self._fields is not None:
            return [(gil, gil + _GIL_WITH_LOCKS) for gil, _ in self.ranges]
        current = runtime.layout.runtime.current_thread_state
        # 3.11: ``ceval.gil`` stands before ``gilstate`` in ``_PyRuntimeState``; other locks there are pointers.
        return [] if current is None else [(runtime.address, runtime.address + current)]

    def is_waited_for(self, lock: int) -> bool:
        """True where a thread that waits for the lock at this address waits for a GIL."""
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
