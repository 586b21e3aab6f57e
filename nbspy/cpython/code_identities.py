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
        self._aims: list[int] = []
        """Addresses of code objects, the one that was wanted longest ago first."""
        self._slots: dict[int, int] = {}
        """Which of the ranges each has."""

    def aim(
        self, codes: Sequence[int], copied: Callable[[int], bytes], read: PreparedRead
    ) -> tuple[bytes, frozenset[int] | None]:
        """See :meth:`nbspy.cpython.copy_plan.CopyPlan.trust`."""
        wanted = list(dict.fromkeys(code for code in codes if code))[-IDENTITIES:]
        if not wanted:
            return b"", frozenset()
        for code in wanted:
            if code in self._slots:
                self._aims.remove(code)
            elif len(self._aims) < IDENTITIES:
                # The ranges that are still free copy the same as the first.
                self._slots[code] = len(self._aims)
                for slot in range(len(self._aims), IDENTITIES):
                    read.aim(self._first + slot, code + self._offset)
            else:
                slot = self._slots[code] = self._slots.pop(self._aims.pop(0))
                read.aim(self._first + slot, code + self._offset)
            self._aims.append(code)
        parts = [b""] * IDENTITIES
        for code, slot in self._slots.items():
            parts[slot] = copied(code)
        last = next(code for code, slot in self._slots.items() if slot == len(self._slots) - 1)
        parts[len(self._slots) :] = [copied(last)] * (IDENTITIES - len(self._slots))
        if not all(len(part) == self._size for part in parts):
            return b"", frozenset()
        return b"".join(parts), frozenset(self._slots)
