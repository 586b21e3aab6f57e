"""What is seldom so: a garbage collection runs, an exception is handled, Python ends. And which threads it is about.

Two kinds of words tell it. :class:`RareWords` are the interpreters' own, copied with every sample and 0 nearly always;
:class:`ThreadWords` are in the thread state, which is copied anyway. Neither costs a read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from nbspy.cpython.frame_chain import FrameChain
from nbspy.cpython.layout import Layout
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import Interpreter, ThreadState, word
from nbspy.errors import MemoryFault
from nbspy.target.memory import RemoteMemory
from nbspy.wire import State

_GC: Final = int(State.GC)
_EXCEPTION: Final = int(State.EXCEPTION)
_FINALIZING: Final = int(State.FINALIZING)
_INT_SIZE: Final = 4
_WORD_SIZE: Final = 8
_EVERYONE: Final = 0
"""Stands for the address of an interpreter where the word is about all of them."""
_NONE_TYPE: Final = b"NoneType\0"
_MAX_KNOWN_VALUES: Final = 1024


class Thread(Protocol):
    """What is known of a thread of the target."""

    state: ThreadState
    chain: FrameChain
    bits: int


T = TypeVar("T", bound=Thread)


class _Collection(msgspec.Struct, frozen=True):
    """Where one collector says what it does: an int, and from 3.15 on the frame in which it began."""

    interpreter: int
    start: int
    frame: int | None


class RareWords:
    """The words that tell of a collection, or of the end of Python, and how to read them."""

    def __init__(self, runtime: Runtime, interpreters: Sequence[Interpreter]) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.size = 0
        self._collections: list[_Collection] = []
        self._ends: list[tuple[int, int]] = []
        """(interpreter, where its word begins): the thread state that ends it."""
        fields, whole, statics = runtime.layout.interpreter, runtime.layout.runtime, runtime.statics
        if whole.finalizing is not None:
            self._ends.append((_EVERYONE, self._add(runtime.address + whole.finalizing, _WORD_SIZE)))
        elif statics is not None and statics.finalizing is not None:
            self._ends.append((_EVERYONE, self._add(statics.finalizing, _WORD_SIZE)))
        collecting = None if whole.gc_collecting is None else runtime.address + whole.gc_collecting
        if statics is not None:
            collecting = statics.collecting
        if collecting is not None:
            self._collections.append(_Collection(_EVERYONE, self._add(collecting, _INT_SIZE), None))
        for interpreter in interpreters:
            if fields.finalizing is not None:
                start = self._add(interpreter.address + fields.finalizing, _WORD_SIZE)
                self._ends.append((interpreter.address, start))
            if fields.gc_collecting is not None:
                self._add_collector(interpreter.address, fields.gc_collecting, fields.gc_frame)
        self.quiet = bytes(self.size)
        """The words while nothing of the kind goes on."""

    def _add(self, address: int, size: int) -> int:
        start = self.size
        self.ranges.append((address, size))
        self.size += size
        return start

    def _add_collector(self, interpreter: int, collecting: int, frame: int | None) -> None:
        start = self._add(interpreter + collecting, _INT_SIZE)
        frame_start = None if frame is None else self._add(interpreter + frame, _WORD_SIZE)
        self._collections.append(_Collection(interpreter, start, frame_start))

    def collecting(self, words: bytes) -> dict[int, int]:
        """Return the interpreters whose collector runs (0: that of all), and the frame it began in, or 0."""
        return {
            one.interpreter: 0 if one.frame is None else word(words, one.frame)
            for one in self._collections
            if words[one.start : one.start + _INT_SIZE] != bytes(_INT_SIZE)
        }

    def ending(self, words: bytes) -> frozenset[int]:
        """Return the interpreters that end (0: all)."""
        return frozenset(interpreter for interpreter, start in self._ends if word(words, start))


class _Collector(msgspec.Struct, Generic[T], frozen=True):
    """A thread that was seen to collect, and where it stood."""

    thread: T
    depth: int
    frame: int
    instruction: int

    def still_collects(self) -> bool:
        """True while the thread has not come back to where it was seen: the collection has not ended."""
        chain = self.thread.chain
        if not self.depth:
            return not chain.addresses
        last = self.depth - 1
        if len(chain.addresses) < self.depth:
            return False
        return chain.addresses[last] == self.frame and chain.instructions[last] == self.instruction


class RareStates(Generic[T]):
    """Marks the threads that the words are about. Keeps who collects from one sample to the next."""

    def __init__(self, finalizer_on: Callable[[T], bool]) -> None:
        """``finalizer_on``: whether a finalizer (``__del__``) is on the stack of a thread."""
        self._finalizer_on = finalizer_on
        self._collectors: dict[int, _Collector[T]] = {}

    def mark(self, words: RareWords, data: bytes, threads: Sequence[T], holders: Iterable[int]) -> None:
        """Add what ``data``, a copy of ``words``, tells to the bits of ``threads``."""
        if data == words.quiet:
            self._collectors.clear()
            return
        ending = words.ending(data)
        if ending:
            for thread in threads:
                if _EVERYONE in ending or thread.state.interpreter in ending:
                    thread.bits |= _FINALIZING
        collecting = words.collecting(data)
        for ended in self._collectors.keys() - collecting.keys():
            del self._collectors[ended]
        for interpreter, frame in collecting.items():
            own = [one for one in threads if interpreter in (_EVERYONE, one.state.interpreter)]
            collector = self._collector(interpreter, frame, own, frozenset(holders))
            if collector is not None:
                collector.bits |= _GC

    def _collector(self, interpreter: int, frame: int, threads: Sequence[T], holders: frozenset[int]) -> T | None:
        """Return the thread on which the collection runs; None where that is not certain.

        3.15 says in which frame it began. Before, it is the thread that holds the GIL, unless a finalizer or callback
        has let it go: then the one that was seen to collect when the collection began and has not moved on, or the only
        one in a finalizer.
        """
        if len(threads) == 1:
            return threads[0]
        if frame:
            return next((one for one in threads if frame in one.chain.addresses), None)
        known = self._collectors.get(interpreter)
        if known is not None and known.thread in threads and known.still_collects():
            return known.thread
        holding = [one for one in threads if one.state.address in holders]
        finalizing = [one for one in threads if self._finalizer_on(one)]
        candidates = {id(one): one for one in (*holding, *finalizing)}
        if len(candidates) != 1:
            self._collectors.pop(interpreter, None)
            return None
        (found,) = candidates.values()
        chain = found.chain
        frame, instruction = (chain.addresses[-1], chain.instructions[-1]) if chain.addresses else (0, 0)
        self._collectors[interpreter] = _Collector(found, len(chain.addresses), frame, instruction)
        return found


class ThreadWords:
    """What a thread state itself tells beside the main state: an exception, the thread's end."""

    def __init__(self, memory: RemoteMemory, layout: Layout) -> None:
        fields = layout.thread_state
        self._memory = memory
        self._objects = layout.objects
        # Where there is no status, what stands at the beginning is read in its place, and masked out.
        self._mask = 0 if fields.status is None else fields.status_finalizing
        status = fields.status or 0
        parts = [(status, "I", 4), (fields.exception_raised, "Q", 8)]
        if fields.exception_handled is not None:
            parts.append((fields.exception_handled, "Q", 8))
        text, end = "<", 0
        for offset, code, size in parts:
            text += f"{offset - end}x{code}"
            end = offset + size
        self._unpack = struct.Struct(text).unpack_from
        self._tells_handled = fields.exception_handled is not None
        self._is_none: dict[int, bool] = {}
        """By address of a value: whether it is None, which never changes."""

    def bits(self, region: bytes) -> int:
        """Return the bits that a copy of the thread state tells. Hot path: called for each thread that has moved."""
        if self._tells_handled:
            status, raised, handled = self._unpack(region)
        else:
            status, raised = self._unpack(region)
            handled = 0
        found = _FINALIZING if status & self._mask else 0
        if raised or (handled and not self._known_none(handled)):
            found |= _EXCEPTION
        return found

    def _known_none(self, address: int) -> bool:
        """True where the value is None (what stands there after a handler, up to 3.12), or cannot be read."""
        known = self._is_none.get(address)
        if known is not None:
            return known
        read, objects = self._memory.read, self._objects
        try:
            kind = word(read(address + objects.ob_type, _WORD_SIZE), 0)
            name = word(read(kind + objects.type_name, _WORD_SIZE), 0)
            known = read(name, len(_NONE_TYPE)) == _NONE_TYPE
        except MemoryFault:
            return True
        if len(self._is_none) >= _MAX_KNOWN_VALUES:
            self._is_none.clear()
        self._is_none[address] = known
        return known
