"""Whose turn it is: which thread had a GIL last, and how often the GIL has gone from one thread to another.

A thread must have the GIL to change its frames, and ``switch_number`` counts each time that another thread takes it
than had it last (``take_gil`` in ``Python/ceval_gil.c``). So while those words stand still, only the thread that had it
last can have moved, whether it holds the GIL or not: it may let it go and take it again without being counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbspy.cpython.attached import AttachedWords
from nbspy.cpython.gil import GilWords
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import word

_GIL_SIZE = 32
_WORD_SIZE = 8
_LAST_HOLDER = slice(8, 16)
_SWITCH_NUMBER = 24
"""In ``struct _gil_runtime_state``, the same since 3.7 where ``long`` has 64 bits."""


class GilTurns:
    """The words of all GILs of a process, next to those of :class:`~nbspy.cpython.gil.GilWords` in a copy."""

    def __init__(self, runtime: Runtime, gil: GilWords | AttachedWords) -> None:
        layout = runtime.layout
        self.ranges: Sequence[tuple[int, int]] = ()
        """What to copy beyond the ranges of GilWords."""
        self._start = 0
        self._count = 0
        if layout.free_threaded:
            pass
        elif layout.gil is not None:
            self._count = len(gil.ranges)
        elif layout.runtime.gil is not None:
            self.ranges = ((runtime.address + layout.runtime.gil, _GIL_SIZE),)
            self._start, self._count = gil.size, 1
        self.size = sum(size for _, size in self.ranges)
        fields = layout.gil
        number = _SWITCH_NUMBER if fields is None or fields.switch_number is None else fields.switch_number
        self._switch_number = slice(number, number + layout.long_size)

    def turn(self, words: bytes | bytearray) -> bytes:
        """Return what changes with the turn, given a copy of GilWords' ranges and then of these; b"" for not known."""
        found = b""
        for start in range(self._start, self._start + self._count * _GIL_SIZE, _GIL_SIZE):
            words_of_one = words[start : start + _GIL_SIZE]
            found += words_of_one[_LAST_HOLDER] + words_of_one[self._switch_number].ljust(_WORD_SIZE, b"\0")
        return found

    @staticmethod
    def moved(before: bytes, after: bytes) -> frozenset[int] | None:
        """Return the thread states that had a GIL between two turns; None where there may be others.

        Where a GIL has changed hands once, those are the two; more often, nobody knows who had it in between.
        """
        if len(before) != len(after) or not after:
            return None
        found = set()
        for at in range(0, len(after), 16):
            last, now = before[at : at + 8], after[at : at + 8]
            switches = word(after, at + 8) - word(before, at + 8)
            if not (switches == 0 and last == now) and switches != 1:
                return None
            found |= {int.from_bytes(last, "little"), int.from_bytes(now, "little")}
        return frozenset(found - {0})
