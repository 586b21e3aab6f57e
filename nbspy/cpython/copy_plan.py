"""What one sample copies, in which order: one vectored read for all threads.

    words about the process | region of each thread ... | some codes | words about the GIL

The kernel copies the ranges in this order, so equal words about the GIL at both ends speak for everything between them
(:mod:`nbspy.cpython.process_words`). Where threads are not stopped, each region is followed by its leaf pointer again
(its *tail*): a region whose tail says something else was copied while the thread called or returned.

A plan of one thread also copies what identifies the codes near its leaf (before 3.14, which counts freed code objects),
and may be given a :class:`~nbspy.cpython.glance.Glance`, which tells known stacks without bringing chains up to date.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from nbspy.cpython.code_identities import IDENTITIES, CodeIdentities
from nbspy.cpython.frame_chain import FrameChain
from nbspy.cpython.glance import Glance
from nbspy.cpython.process_words import ProcessWords
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import Interpreter
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
        code_identity: tuple[int, int],
    ) -> None:
        """``code_identity`` is the part of a code object that tells it from another: (offset, size)."""
        self._free_threaded = runtime.layout.free_threaded
        self.words = words = ProcessWords(runtime, interpreters)
        self.tails = tails
        self.last = b""
        self.last_followed = -1
        """The copy that was followed last, and a number of its follower's."""
        self.of = frozenset(thread.chain.thread_state for thread in threads)
        """Addresses of the thread states that it copies."""
        ranges = [*words.gil_ranges, *words.other_ranges]
        unordered = slice(len(words.gil_ranges), len(ranges))
        offset = words.size
        self.spans: list[Span[T]] = []
        for thread in threads:
            start = offset
            offset += sum(size for _, size in thread.chain.ranges)
            self.spans.append(Span(thread, start, offset))
            ranges += thread.chain.ranges
            if tails:
                tail = thread.chain.head.tail_ranges
                ranges += tail
                offset += sum(size for _, size in tail)
        self.identities_start = offset
        self._identities: CodeIdentities | None = None
        if len(threads) == 1 and not words.counts_codes:
            self._identities = CodeIdentities(len(ranges), code_identity)
            # Aimed at code objects when some are known; until then at what can be read for certain.
            ranges += [(runtime.address, code_identity[1])] * IDENTITIES
            offset += code_identity[1] * IDENTITIES
        self.threads_end = offset
        """Where the words about the GIL are repeated."""
        self.size = offset + words.gil_size
        self._read: PreparedRead = memory.prepare([*ranges, *words.gil_ranges], unordered)
        self._gil_read: PreparedRead = memory.prepare(words.gil_ranges)
        self.read = self._read.read
        """Copies everything into :attr:`buffer`; raises MemoryFault."""
        self.buffer = self._read.buffer
        """The last copy; what :meth:`copy` returned of it does not change."""
        self.glance: Glance | None = None
        """Given to plans of one thread by who made them."""

    def copy(self) -> bytes:
        """Copy everything; raises MemoryFault."""
        self._read.read()
        return bytes(self.buffer)

    def trust(self, codes: Sequence[int], copied: Callable[[int], bytes]) -> tuple[bytes, frozenset[int] | None]:
        """Aim at the identities of ``codes``, those near the leaf, the leaf's last, as far as there is room.

        Returns what the copied identities will be, where no code is freed meanwhile, and whose they are; (b"", None)
        where codes that are freed are counted. ``copied`` tells what was copied of a code before; b"" of one
        that is not known.
        """
        if self._identities is None:
            return b"", None
        return self._identities.aim(codes, copied, self._read)

    def forget(self) -> None:
        """Let no copy pass at a glance until something is remembered again."""
        if self.glance is not None:
            self.glance.forget()

    def look(self) -> tuple[tuple[int, ...], bytes]:
        """Return who holds a GIL at this moment, and whose turn it is: one small read."""
        words = self.words
        if not words.gil_size:
            return (), b""
        self._gil_read.read()
        data = self._gil_read.buffer
        return words.gil.holders(data), words.turns.turn(data)

    def holders(self, data: bytes) -> tuple[int, ...] | None:
        """Return who held a GIL during the whole copy; None where that changed meanwhile."""
        if not self._is_of_one_turn(data):
            return None
        return self.words.gil.holders(data)

    def stood(self, data: bytes, stopped: tuple[int, ...]) -> bool:
        """True where nobody but the thread states that were ``stopped`` held a GIL at either end of the copy.

        One that stood may have let it go just before: its frames could not change any more than those of a holder.
        """
        if not self._free_threaded:
            holders = self.holders(data)
            return holders is not None and all(holder in stopped for holder in holders)
        attached = {*self.words.gil.holders(data), *self.words.gil.holders(data, self.threads_end)}
        return attached.issubset(stopped)

    def turn(self, data: bytes) -> bytes:
        """Return whose turn it was during the whole copy; b"" where that changed, or is not known."""
        return self.words.turns.turn(data) if self._is_of_one_turn(data) else b""

    def _is_of_one_turn(self, data: bytes) -> bool:
        return data[: self.words.gil_size] == data[self.threads_end :]

    def tail_agrees(self, data: bytes, span: Span[T]) -> bool:
        """True where the leaf pointer after a region is the one that the region began with."""
        return span.thread.chain.head.tail_agrees(data, span.start, span.end)
