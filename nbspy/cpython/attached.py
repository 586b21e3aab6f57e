"""Which threads are attached, in a free-threaded build: each of them may change its frames, all at once.

``PyThreadState._status.active`` is set after a thread has attached and cleared before it detaches
(``tstate_activate`` in ``Python/pystate.c``): while it is clear the thread runs no Python code.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import Interpreter

_STATUS_SIZE = 4


class AttachedWords:
    """The words that tell, and how to read them: what :class:`~nbspy.cpython.gil.GilWords` is to builds with a GIL."""

    def __init__(self, runtime: Runtime, interpreters: Sequence[Interpreter]) -> None:
        fields = runtime.layout.thread_state
        assert fields.status is not None, "free-threaded builds describe themselves"
        self._active = fields.status_active
        self._threads = [thread.address for interpreter in interpreters for thread in interpreter.threads]
        self.ranges = [(address + fields.status, _STATUS_SIZE) for address in self._threads]
        self.size = _STATUS_SIZE * len(self._threads)
        self._words = struct.Struct(f"<{len(self._threads)}I")

    def is_waited_for(self, lock: int) -> bool:
        """No thread waits for a GIL where there is none."""
        return False

    def holders(self, data: bytes | bytearray, start: int = 0) -> tuple[int, ...]:
        """Return the thread states that are attached, given a copy of :attr:`ranges` at ``start`` of ``data``."""
        active = self._active
        words = self._words.unpack_from(data, start)
        return tuple(address for address, word in zip(self._threads, words, strict=True) if word & active)
