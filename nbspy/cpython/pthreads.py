"""The operating system's thread ids where thread states do not hold them (<= 3.10).

``PyThreadState.thread_id`` is then what ``pthread_self()`` gave: with glibc and musl the address of the thread's own
``struct pthread``, which the C library keeps the thread's id in. Where in it is no public knowledge. It is learnt once:
the place at which every thread of the list has an id that the system knows, each its own, and one that of the process.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from nbspy.errors import MemoryFault
from nbspy.target.memory import RemoteMemory
from nbspy.target.process import Target

_STRUCT_SIZE: Final = 2304
"""``sizeof(struct pthread)`` of glibc 2.36 on x86-64; others are smaller."""
_USUAL_OFFSET: Final = 720
"""Of ``tid`` there: preferred where several places fit."""
_PAGE: Final = 4096
_ID: Final = struct.Struct("<i")
_MAX_ID: Final = 1 << 22
"""``PID_MAX_LIMIT`` of Linux."""


class PthreadIds:
    """The ids of one target's threads."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._offset: int | None = None
        self._unknown: set[int] = set()
        """Handles whose ids are nowhere: the place was looked for again, with all that is known by now."""

    def native_ids(self, handles: Sequence[int]) -> dict[int, int]:
        """Return ``pthread_self()`` -> the id that the thread itself would give as its native one.

        Those that cannot be had are left out. Raises TargetEnded.
        """
        present = set(self._target.thread_ids())
        wanted = list(dict.fromkeys(handle for handle in handles if handle))
        if self._offset is None:
            self._offset = self._learn(wanted, present)
        if self._offset is None:
            return {}
        found = self._read(self._offset, wanted, present)
        if found and set(wanted) - found.keys() - self._unknown:
            # Threads that have ended, or a wrong place was learnt while there was one thread alone.
            offset = self._learn(wanted, present)
            again = {} if offset is None else self._read(offset, wanted, present)
            if len(again) > len(found):
                self._offset, found = offset, again
        self._unknown = set(wanted) - found.keys()
        return found

    def _read(self, offset: int, handles: Iterable[int], present: set[int]) -> dict[int, int]:
        found = {handle: _id_at(self._target.memory, handle + offset) for handle in handles}
        return {handle: native for handle, native in found.items() if self._is_present(native, present)}

    def _is_present(self, native: int, present: set[int]) -> bool:
        return 0 < native <= _MAX_ID and self._target.host_thread_id(native) in present

    def _learn(self, handles: Iterable[int], present: set[int]) -> int | None:
        """Return the offset at which most threads have an id of their own; None where none has the process's."""
        words = [_words(self._target.memory, handle) for handle in handles]
        candidates = {word for each in words for word in each if 0 < word <= _MAX_ID}
        hosts = {word: self._target.host_thread_id(word) for word in candidates}
        best: tuple[int, bool, int] | None = None
        for index in range(_STRUCT_SIZE // _ID.size):
            column = [each[index] for each in words if index < len(each)]
            ids = [hosts[word] for word in column if hosts.get(word) in present]
            if self._target.pid in ids and len(set(ids)) == len(ids):
                offset = index * _ID.size
                score = (len(ids), offset == _USUAL_OFFSET, -offset)
                best = score if best is None else max(best, score)
        return None if best is None else -best[2]


def _words(memory: RemoteMemory, address: int) -> list[int]:
    """Return the ints from ``address`` on, as far as they can be read."""
    sizes = (_STRUCT_SIZE, min(_STRUCT_SIZE, _PAGE - address % _PAGE))
    for size in sizes:
        try:
            data = memory.read(address, size - size % _ID.size)
        except MemoryFault:
            continue
        return [word for (word,) in _ID.iter_unpack(data)]
    return []


def _id_at(memory: RemoteMemory, address: int) -> int:
    try:
        number: int = _ID.unpack(memory.read(address, _ID.size))[0]
    except MemoryFault:
        return 0
    return number
