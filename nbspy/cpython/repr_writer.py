"""The text of one ``repr`` as it grows: bounded in characters, in depth, and around cycles.

Everything that is written takes at least a character, so the bound on the text bounds the work as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from nbspy.cpython.layout import Layout
from nbspy.cpython.objects import read_words
from nbspy.cpython.remote_types import RemoteType, RemoteTypes
from nbspy.cpython.repr_style import style_of
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.memory import RemoteMemory

UNREADABLE: Final = "<unreadable>"
ELLIPSIS: Final = "…"
MAX_DEPTH: Final = 50
"""Containers within containers; what lies deeper is an ellipsis in the brackets of its container."""


class TextFull(Exception):
    """The text is as long as it may be, or ends here for another reason: an ellipsis is all that follows."""


class ReprWriter:
    """Writes one value of the target; formatters call :meth:`add` and :meth:`value`."""

    def __init__(self, types: RemoteTypes, limit: int, write: Callable[[ReprWriter, int], None]) -> None:
        self.memory: RemoteMemory = types.memory
        self.layout: Layout = types.layout
        self.types = types
        self.style = style_of(types.layout.version)
        self._limit = limit
        self._write = write
        self._parts: list[str] = []
        self._length = 0
        self._open: list[int] = []
        """Containers that are being written, outermost first."""

    @property
    def left(self) -> int:
        """How many characters fit still."""
        return max(self._limit - self._length, 0)

    def text(self) -> str:
        """Return what was written; an ellipsis stands for what no longer fitted."""
        text = "".join(self._parts)
        return text if len(text) <= self._limit else text[: max(self._limit - 1, 0)] + ELLIPSIS

    def add(self, text: str) -> None:
        """Write ``text``; raises :class:`TextFull` where that is more than fits."""
        self._parts.append(text)
        self._length += len(text)
        if self._length > self._limit:
            raise TextFull

    def cut(self) -> None:
        """End the text here, with an ellipsis: raises :class:`TextFull`."""
        self.add(ELLIPSIS)
        raise TextFull

    def value(self, address: int) -> None:
        """Write the repr of the object at ``address``; what cannot be read is ``<unreadable>``."""
        parts, length, depth = len(self._parts), self._length, len(self._open)
        try:
            self._write(self, address)
        except (CorruptTarget, MemoryFault):
            del self._parts[parts:]
            del self._open[depth:]
            self._length = length
            self.add(UNREADABLE)

    @contextmanager
    def entered(self, address: int, again: str) -> Iterator[bool]:
        """Give True while the container at ``address`` is written, False within itself, where ``again`` is written."""
        if address in self._open or len(self._open) >= MAX_DEPTH:
            self.add(again if address in self._open else again.replace("...", ELLIPSIS))
            yield False
            return
        self._open.append(address)
        yield True
        self._open.pop()

    def values(self, addresses: Iterable[int]) -> int:
        """Write the values with commas between; returns how many."""
        count = 0
        for address in addresses:
            if count:
                self.add(", ")
            self.value(address)
            count += 1
        return count

    def own_words(self, address: int, count: int) -> tuple[int, ...]:
        """Return the first ``count`` fields behind ``PyObject_HEAD``, of a struct whose fields are all pointers."""
        return read_words(self.memory, address + self.layout.objects.object_size, count)


Formatter = Callable[[ReprWriter, int, RemoteType], None]
"""Writes the object at an address as that type does."""
