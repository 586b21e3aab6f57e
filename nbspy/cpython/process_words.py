"""The words that say something of the whole process, with which every copy begins, and in part ends.

    GIL words, turns | list heads, generations, rare words | ...

Who holds a GIL and whose turn it is stand at both ends of a copy: where they are equal they speak for what lies
between.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbspy.cpython.attached import AttachedWords
from nbspy.cpython.gil import GilWords
from nbspy.cpython.gil_turns import GilTurns
from nbspy.cpython.rare_states import RareWords
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import Interpreter


class ProcessWords:
    """Where they are in the target, and in a copy."""

    def __init__(self, runtime: Runtime, interpreters: Sequence[Interpreter]) -> None:
        layout = runtime.layout
        self.gil: GilWords | AttachedWords
        """Of a free-threaded build: who is attached. All that is said of holders is then said of those."""
        if layout.free_threaded:
            self.gil = AttachedWords(runtime, interpreters)
        else:
            self.gil = GilWords(runtime, interpreters)
        self.turns = GilTurns(runtime, self.gil)
        self.rare = RareWords(runtime, interpreters)
        self.gil_ranges = [*self.gil.ranges, *self.turns.ranges]
        self.gil_size = self.gil.size + self.turns.size
        heads = [(runtime.address + layout.runtime.interpreters_head, interpreters[-1].address if interpreters else 0)]
        for interpreter in interpreters:
            newest = interpreter.threads[-1].address if interpreter.threads else 0
            heads.append((interpreter.address + layout.interpreter.threads_head, newest))
        self._heads = b"".join(head.to_bytes(8, "little") for _, head in heads)
        generation = layout.interpreter.code_object_generation
        self.counts_codes = generation is not None
        """True where a copy tells whether code objects were freed (3.14+)."""
        counted = interpreters if generation is not None else ()
        generations = [(interpreter.address + (generation or 0), 8) for interpreter in counted]
        self.other_ranges = [*((address, 8) for address, _ in heads), *generations, *self.rare.ranges]
        """What follows the words about the GIL; in which order it is copied says nothing."""
        self._generations_start = self.gil_size + len(self._heads)
        self._generations_end = self._generations_start + 8 * len(generations)
        self.size = self._generations_end + self.rare.size
        """Bytes at the beginning of a copy."""

    def same_lists(self, data: bytes) -> bool:
        """True while every list of interpreters and threads begins where it did."""
        return data[self.gil_size : self._generations_start] == self._heads

    def generations(self, data: bytes) -> bytes:
        """Return the interpreters' code object generations (3.14+), to be compared; b"" before."""
        return data[self._generations_start : self._generations_end]

    def rare_words(self, data: bytes) -> bytes:
        """Return the copy of the words of :attr:`rare`."""
        return data[self._generations_end : self.size]
