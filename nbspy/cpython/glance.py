"""The most common sample: the stack that was believed last, at another instruction of its leaf.

Told by one look, without walking: the words that decide and the frames below the leaf are, byte for byte, those of the
last copy that was believed, and the leaf has the same code and caller. That holds also where nothing was stopped: what
a torn copy could show instead would not be those bytes, and a stack that was there a moment ago is no impossible one.

Hot path: one ``struct`` call takes a copy apart and one comparison of tuples judges it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from nbspy.cpython.frame_struct import FrameStruct

_MAX_STRUCTS: Final = 256


class Glance:
    """Judges the copies of one plan of one thread."""

    def __init__(
        self, unpack: FrameStruct, words: Sequence[tuple[int, int]], frames: int, behind: Sequence[int]
    ) -> None:
        """Positions in a copy: ``words`` are (start, size) of those that decide, in order, before the ``frames``.

        ``behind`` is where what follows the frames begins, where the identity of the leaf's code does, where what
        follows that does, and where the copy ends.
        """
        self._unpack = unpack.unpack_from
        self._words = words
        self._frames = frames
        self._behind = behind
        self._structs: dict[int, struct.Struct] = {}
        """By where the leaf begins."""
        self._apart: struct.Struct | None = None
        self._expected: tuple[Any, ...] = ()
        self._leaf = 0
        self._code = self._previous = self._owner = 0

    def remember(self, data: bytes, leaf: int, identity: bytes) -> None:
        """Take ``data``, a copy that was believed, for what the next ones are compared with.

        ``leaf`` is where the leaf frame begins; ``identity`` what the identity of its code will be.
        """
        apart = self._structs.get(leaf)
        if apart is None:
            if len(self._structs) >= _MAX_STRUCTS:
                self._structs.clear()
            apart = self._structs[leaf] = self._take_apart(leaf)
        *rest, _, last = apart.unpack_from(data)
        self._expected = (*rest, identity, last)
        self._code, self._previous, _, self._owner = self._unpack(data, leaf)
        self._leaf = leaf
        self._apart = apart

    def forget(self) -> None:
        """Find nothing until the next :meth:`remember`."""
        self._apart = None

    def instruction(self, copy: bytes | bytearray) -> int | None:
        """Return where the leaf stands in ``copy``; None where it shows another stack, or nothing is remembered."""
        apart = self._apart
        if apart is None or apart.unpack_from(copy) != self._expected:
            return None
        code, previous, instruction, owner = self._unpack(copy, self._leaf)
        if code != self._code or previous != self._previous or owner != self._owner:
            return None
        found: int = instruction
        return found

    def _take_apart(self, leaf: int) -> struct.Struct:
        behind, identity, last, end = self._behind
        text, position = "<", 0
        for start, size in (*self._words, (self._frames, leaf - self._frames)):
            text += f"{start - position}x{size}s"
            position = start + size
        return struct.Struct(text + f"{behind - position}x{identity - behind}s{last - identity}s{end - last}s")
