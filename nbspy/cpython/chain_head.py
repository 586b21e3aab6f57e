"""What a region begins with, before the frames: the thread state and, in 3.11 and 3.12, its ``_PyCFrame`` objects.

The pointer to the leaf frame stands in the thread state; in those two versions in the ``_PyCFrame`` to which that
points. Each call from C to Python has one of its own, on the C stack (``_PyEval_EvalFrameDefault`` in
``Python/ceval.c``), so a thread that goes back and forth, as under asyncio or in ``sorted`` with a key, has a few in
turn: those seen last are all copied.
"""

from __future__ import annotations

from typing import Final

from nbspy.cpython.layout import ThreadStateLayout
from nbspy.cpython.thread_state import word

_CFRAME_SIZE: Final = 24
"""``struct _PyCFrame`` of 3.11 (3.12's is smaller)."""
_MAX_CFRAMES: Final = 12
_POINTER: Final = 8
_THREAD_STATE_SIZE: Final = 1024
"""More than ``PyThreadState`` takes in 3.11 and 3.12, which ends with the first of its ``_PyCFrame`` objects."""


class ChainHead:
    """The head of the regions of one thread."""

    __slots__ = (
        "_address",
        "_cframes",
        "_index",
        "_inner",
        "_learnt",
        "_long_size",
        "_pointer",
        "_thread",
        "ranges",
        "size",
    )

    def __init__(self, address: int, thread: ThreadStateLayout, long_size: int) -> None:
        """``address``: of the thread state."""
        self._address = address
        self._thread = thread
        self._long_size = long_size
        self._pointer = thread.current_frame
        self._inner = thread.cframe_current_frame
        self.reset()

    def reset(self) -> None:
        """Forget all but the thread state: a wild pointer must not be planned for ever."""
        # Where there is no _PyCFrame yet to read, the thread state itself stands in for it.
        self._learnt = [self._address]
        self.plan()

    def plan(self) -> None:
        """Begin to copy what was learnt since the last time."""
        self.ranges = [(self._address, self._thread.size)]
        self._cframes: list[int] = []
        if self._inner is not None:
            self._cframes = [*self._learnt]
            self.ranges += [(address, _CFRAME_SIZE) for address in self._cframes]
        self.size = sum(size for _, size in self.ranges)
        """Bytes of a region before its frames."""
        self._index = {
            address: self._thread.size + index * _CFRAME_SIZE + (self._inner or 0)
            for index, address in enumerate(self._cframes)
        }

    @property
    def fixed_leaf_at(self) -> int:
        """Where in every region the pointer to the leaf frame stands; 0 where each says it (:meth:`leaf_at`)."""
        return self._pointer if self._inner is None else 0

    def leaf_at(self, data: bytes | bytearray, start: int = 0) -> int:
        """Return where the pointer to the leaf frame stands in the region that begins at ``start`` of ``data``.

        0 where that was not copied: :meth:`elsewhere` is to be read.
        """
        if self._inner is None:
            return start + self._pointer
        pointer = word(data, start + self._pointer)
        if not pointer:
            # No Python runs, and no frame is there.
            return start + self._pointer
        at = self._index.get(pointer, 0)
        return start + at if at else 0

    def leaf(self, data: bytes, start: int = 0) -> int:
        """Return the pointer to the leaf frame; 0 also where it was not copied."""
        at = self.leaf_at(data, start)
        return word(data, at) if at else 0

    def calls_nobody(self, region: bytes) -> bool:
        """True where it is certain of a ``region`` without a leaf frame that no Python code runs on the thread.

        A ``_PyCFrame`` that has only just become the current one has no frame yet, and the one below it has.
        """
        if self._inner is None:
            return True
        pointer = word(region, self._pointer)
        if not pointer or self._is_first(pointer):
            return True
        at = self._index.get(pointer, 0)
        # ``previous`` follows ``current_frame``.
        return bool(at) and self._is_first(word(region, at + _POINTER))

    def _is_first(self, cframe: int) -> bool:
        return self._address <= cframe < self._address + _THREAD_STATE_SIZE

    def elsewhere(self, data: bytes) -> tuple[int, int]:
        """Return where the pointer to the leaf frame lies that was not copied: (address, size). It is next time."""
        assert self._inner is not None, "else the thread state has it"
        cframe = word(data, self._pointer)
        self._learnt = [*dict.fromkeys([*self._learnt, cframe])][-_MAX_CFRAMES:]
        return cframe + self._inner, _POINTER

    def leaf_words(self, data: bytes, start: int = 0) -> tuple[int, int]:
        """Return all that says which frame the leaf is, to be compared."""
        return word(data, start + self._pointer), self.leaf(data, start)

    def asks_for_gil(self, data: bytes, start: int) -> bool:
        """True where the region at ``start`` of ``data`` says that the thread asks for the GIL (3.15)."""
        offset = self._thread.gil_requested
        return offset is not None and bool(data[start + offset])

    @property
    def status_word(self) -> int | None:
        """Which of the :attr:`deciding_words` has the status bits of the thread; None for none (before 3.13)."""
        starts = [offset for offset, _ in self.deciding_words]
        return None if self._thread.status is None else starts.index(self._thread.status)

    @property
    def deciding_words(self) -> list[tuple[int, int]]:
        """What says all that is told of a thread but its frames: (offset, size), in order.

        Without what leads to the leaf frame.
        """
        thread = self._thread
        own_id = thread.thread_id if thread.native_thread_id is None else thread.native_thread_id
        words = [(thread.next, 8), (own_id, self._long_size), (thread.exception_raised, 8)]
        optional = ((thread.gil_requested, 4), (thread.status, 4), (thread.exception_handled, 8))
        words += [(offset, size) for offset, size in optional if offset is not None]
        return sorted(set(words))

    @property
    def tail_ranges(self) -> list[tuple[int, int]]:
        """What is copied once more after a region, to know whether the leaf was the same all the while."""
        inner = self._inner or 0
        return [(self._address + self._pointer, _POINTER), *((one + inner, _POINTER) for one in self._cframes)]

    def tail_agrees(self, data: bytes, start: int, end: int) -> bool:
        """True where the tail at ``end`` of ``data`` says of the leaf what the region at ``start`` says."""
        pointer = word(data, start + self._pointer)
        if word(data, end) != pointer:
            return False
        if self._inner is None or not pointer:
            return True
        if pointer not in self._index:
            return False
        return word(data, end + _POINTER * (1 + self._cframes.index(pointer))) == self.leaf(data, start)
