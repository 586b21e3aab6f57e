"""What one sample copies, in which order: one vectored read for all threads.

    GIL words, turns | list heads, generations, rare words | region of each thread ... | leaf's code | GIL words, turns

The kernel copies the ranges in this order, so equal GIL words at both ends speak for everything between them. Where
threads are not stopped, each region is followed by its leaf pointer again (its *tail*): a region whose tail says
something else was copied while the thread called or returned.

A plan of one thread also copies what identifies the code of its leaf (before 3.14, which counts freed code objects),
and has a :class:`~nbspy.cpython.glance.Glance` that tells the stack that was believed last without walking.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from nbspy.cpython.attached import AttachedWords
from nbspy.cpython.frame_chain import FrameChain
from nbspy.cpython.frame_struct import FrameStruct
from nbspy.cpython.gil import GilWords
from nbspy.cpython.gil_turns import GilTurns
from nbspy.cpython.glance import Glance
from nbspy.cpython.rare_states import RareWords
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import Interpreter, word
from nbspy.target.memory import PreparedRead, RemoteMemory


class Planned(Protocol):
    """A thread with a chain."""

    chain: FrameChain


T = TypeVar("T", bound=Planned)


class Span(NamedTuple, Generic[T]):
    """Where the region of one thread lies in a copy."""

    thread: T
    start: int
    end: int


class CopyPlan(Generic[T]):
    """The prepared read of one set of threads; made anew when a thread wants other ranges."""

    def __init__(
        self,
        memory: RemoteMemory,
        runtime: Runtime,
        interpreters: Sequence[Interpreter],
        threads: Sequence[T],
        *,
        tails: bool,
        unpack: FrameStruct,
        code_identity: tuple[int, int],
    ) -> None:
        """``code_identity`` is the part of a code object that tells it from another: (offset, size)."""
        self._free_threaded = runtime.layout.free_threaded
        self.gil: GilWords | AttachedWords
        """Of a free-threaded build: who is attached. All that is said of holders here is then said of those."""
        if runtime.layout.free_threaded:
            self.gil = AttachedWords(runtime, interpreters)
        else:
            self.gil = GilWords(runtime, interpreters)
        self.turns = GilTurns(runtime, self.gil)
        self.last = b""
        self.last_followed = -1
        """The copy that was followed last, and a number of its follower's."""
        self.of = frozenset(thread.chain.thread_state for thread in threads)
        """Addresses of the thread states that it copies."""
        layout = runtime.layout
        gil_ranges = [*self.gil.ranges, *self.turns.ranges]
        ranges = [*gil_ranges, (runtime.address + layout.runtime.interpreters_head, 8)]
        expected = [interpreters[-1].address if interpreters else 0]
        for interpreter in interpreters:
            ranges.append((interpreter.address + layout.interpreter.threads_head, 8))
            expected.append(interpreter.threads[-1].address if interpreter.threads else 0)
        self._heads = b"".join(head.to_bytes(8, "little") for head in expected)
        generation = layout.interpreter.code_object_generation
        self.counts_codes = generation is not None
        """True where the copy tells whether code objects were freed (3.14+)."""
        self._heads_start = self.gil.size + self.turns.size
        self._generations_start = self._heads_start + len(self._heads)
        if generation is not None:
            ranges += [(interpreter.address + generation, 8) for interpreter in interpreters]
        self._generations_end = sum(size for _, size in ranges)
        self.rare = RareWords(runtime, interpreters)
        ranges += self.rare.ranges
        self._threads_start = self._generations_end + self.rare.size
        offset = self._threads_start
        self.spans: list[Span[T]] = []
        for thread in threads:
            start = offset
            offset += sum(size for _, size in thread.chain.ranges)
            self.spans.append(Span(thread, start, offset))
            ranges += thread.chain.ranges
            if tails:
                ranges.append(thread.chain.leaf_range)
                offset += 8
        self._identity_index: int | None = None
        self._identity_offset, size = code_identity
        self._identity_start = offset
        if len(threads) == 1 and generation is None:
            # Aimed at a code object when one is known; until then at what can be read for certain.
            self._identity_index = len(ranges)
            ranges.append((runtime.address, size))
            offset += size
        self._threads_end = offset
        self._read: PreparedRead = memory.prepare([*ranges, *gil_ranges])
        self._gil_read: PreparedRead = memory.prepare(gil_ranges)
        self.buffer = self._read.buffer
        """The last copy; what :meth:`copy` returned of it does not change."""
        self._aim = 0
        self._glance: Glance | None = None
        if len(threads) == 1:
            end = offset + sum(size for _, size in gil_ranges)
            self._glance = self._make_glance(runtime, unpack, end)

    def _make_glance(self, runtime: Runtime, unpack: FrameStruct, end: int) -> Glance:
        (thread, start, region_end) = self.spans[0]
        # Nothing may be missed that is told of a thread which did not move: see FrameChain.deciding_words.
        words = [(0, start), *((start + offset, size) for offset, size in thread.chain.deciding_words)]
        frames = start + thread.chain.frames_start
        return Glance(unpack, words, frames, (region_end, self._identity_start, self._threads_end, end))

    def read(self) -> None:
        """Copy everything into :attr:`buffer`; raises MemoryFault."""
        self._read.read()

    def copy(self) -> bytes:
        """Copy everything; raises MemoryFault."""
        self._read.read()
        return bytes(self.buffer)

    def glance(self) -> int | None:
        """Return where the leaf stands where :attr:`buffer` shows the stack that was believed last; else None."""
        return None if self._glance is None else self._glance.instruction(self.buffer)

    def remember(self, data: bytes, identity: bytes) -> None:
        """Take note that ``data`` was believed; ``identity`` is what was copied of the code of the leaf."""
        glance = self._glance
        if glance is None:
            return
        span = self.spans[0]
        chain = span.thread.chain
        leaf = chain.leaf_offset
        if leaf < 0 or chain.stale or not identity or self.rare_words(data) != self.rare.quiet:
            glance.forget()
            return
        if self._identity_index is None:
            identity = b""
        elif self._aim != chain.codes[-1]:
            self._aim = chain.codes[-1]
            self._read.aim(self._identity_index, self._aim + self._identity_offset)
        glance.remember(data, span.start + leaf, identity)

    def forget(self) -> None:
        """Let no copy pass at a glance until the next :meth:`remember`."""
        if self._glance is not None:
            self._glance.forget()

    def look(self) -> tuple[tuple[int, ...], bytes]:
        """Return who holds a GIL at this moment, and whose turn it is: one small read."""
        if not self._heads_start:
            return (), b""
        self._gil_read.read()
        words = self._gil_read.buffer
        return self.gil.holders(words), self.turns.turn(words)

    def holders(self, data: bytes) -> tuple[int, ...] | None:
        """Return who held a GIL during the whole copy; None where that changed meanwhile."""
        if data[: self._heads_start] != data[self._threads_end :]:
            return None
        return self.gil.holders(data)

    def stood(self, data: bytes, stopped: tuple[int, ...]) -> bool:
        """True where nobody but the thread states that were ``stopped`` held a GIL at either end of the copy."""
        if not self._free_threaded:
            return self.holders(data) == stopped
        attached = {*self.gil.holders(data), *self.gil.holders(data, self._threads_end)}
        return attached.issubset(stopped)

    def turn(self, data: bytes) -> bytes:
        """Return whose turn it was during the whole copy; b"" where that changed, or is not known."""
        if data[: self._heads_start] != data[self._threads_end :]:
            return b""
        return self.turns.turn(data)

    def same_lists(self, data: bytes) -> bool:
        """True while every list of interpreters and threads begins where it did."""
        return data[self._heads_start : self._generations_start] == self._heads

    def tail_agrees(self, data: bytes, span: Span[T]) -> bool:
        """True where the leaf pointer after a region is the one that the region began with."""
        return word(data, span.end) == span.thread.chain.leaf_pointer(data, span.start)

    def generations(self, data: bytes) -> bytes:
        """Return the interpreters' code object generations (3.14+), to be compared; b"" before."""
        return data[self._generations_start : self._generations_end]

    def rare_words(self, data: bytes) -> bytes:
        """Return the copy of the words of :attr:`rare`."""
        return data[self._generations_end : self._threads_start]
