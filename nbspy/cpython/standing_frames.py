"""The frames at the bottom of a stack, which stand while what is above them calls without end.

Where nothing is stopped, such a stack may never be the same in several looks, and what call sites say of the frames
that change is of use only above some that are known. Most programs have such: ``<module>``, the loops of a thread or
of asyncio, whose calls were made once and have left no note in the bytecode. A frame that ran the same code, at the
same instruction, in :data:`COPIES` copies in a row is no accident of torn copies, which differ from one to the next.
"""

from __future__ import annotations

from typing import Final

from nbspy.cpython.known_stacks import KnownStacks
from nbspy.cpython.thread_list import TrackedThread

COPIES: Final = 16
_MAX_THREADS: Final = 256


class _Seen:
    """What the copies of one thread had in common, root first."""

    __slots__ = ("codes", "copies", "depth", "instructions", "reached")

    def __init__(self, codes: list[int], instructions: list[int]) -> None:
        self.codes = codes
        self.instructions = instructions
        self.copies = 1
        self.depth = len(codes)
        """So many frames ran the same instruction."""
        self.reached = len(codes)
        """So many ran the same code: one more, or the same."""


class StandingFrames:
    """The standing frames of the threads of one target."""

    def __init__(self, known: KnownStacks) -> None:
        self._known = known
        self._seen: dict[TrackedThread, _Seen] = {}

    def saw(self, thread: TrackedThread) -> None:
        """Take note of the chain of ``thread``, followed through a copy that is not believed; its codes are read."""
        chain = thread.chain
        seen = self._seen.get(thread)
        if seen is None:
            if len(self._seen) >= _MAX_THREADS:
                self._seen.clear()
            self._seen[thread] = _Seen([*chain.codes], [*chain.instructions])
            return
        seen.copies += 1
        common = _common(seen.codes, chain.codes, seen.reached)
        seen.depth = _common(seen.instructions, chain.instructions, min(seen.depth, common))
        seen.reached = min(common, seen.depth + 1)
        if seen.copies >= COPIES:
            self._known.stand(seen.codes[: seen.reached], seen.instructions[: seen.depth])
            del self._seen[thread]

    def forget(self) -> None:
        """Begin anew: the threads, or their code objects, are others."""
        self._seen.clear()


def _common(one: list[int], other: list[int], most: int) -> int:
    """Return how many of the first ``most`` items are the same."""
    if one[:most] == other[:most]:
        return most
    for index, (a, b) in enumerate(zip(one[:most], other, strict=False)):
        if a != b:
            return index
    return min(most, len(other))
