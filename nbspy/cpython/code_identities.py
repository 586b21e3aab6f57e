"""What identifies the codes near the leaf, copied with each sample: before 3.14 nothing tells that a code was freed.

A freed code object's address is soon another function's, and a copy that has the identity of a code together with the
frame that runs it leaves no doubt. There is room for a few; which ones follows from where the stack has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from nbspy.target.memory import PreparedRead

IDENTITIES: Final = 6
"""A third of a microsecond each."""


class CodeIdentities:
    """The ranges of one prepared read that hold them."""

    def __init__(self, first: int, part: tuple[int, int]) -> None:
        """``first`` is the number of the first range; ``part`` of a code object identifies it: (offset, size)."""
        self._first = first
        self._offset, self._size = part
        self._codes = [0] * IDENTITIES
        """Whose identity each of the ranges holds."""
        self._wanted_at = [0] * IDENTITIES
        self._clock = 0

    def aim(
        self, codes: Sequence[int], copied: Callable[[int], bytes], read: PreparedRead
    ) -> tuple[bytes, frozenset[int] | None]:
        """See :meth:`nbspy.cpython.copy_plan.CopyPlan.trust`."""
        wanted = list(dict.fromkeys(code for code in codes if code))[-IDENTITIES:]
        if not wanted:
            return b"", frozenset()
        self._clock += 1
        for code in wanted:
            if code in self._codes:
                self._wanted_at[self._codes.index(code)] = self._clock
        for code in wanted:
            if code not in self._codes:
                slot = self._wanted_at.index(min(self._wanted_at))
                self._wanted_at[slot] = self._clock
                self._aim(slot, code, read)
        for slot, code in enumerate(self._codes):
            if code not in wanted and not copied(code):
                # It is free, or of a code that is no longer known: it copies the same as another.
                self._aim(slot, wanted[-1], read)
        parts = [copied(code) for code in self._codes]
        if not all(len(part) == self._size for part in parts):
            return b"", frozenset()
        return b"".join(parts), frozenset(self._codes)

    def _aim(self, slot: int, code: int, read: PreparedRead) -> None:
        self._codes[slot] = code
        read.aim(self._first + slot, code + self._offset)
