"""The state bits of threads: who holds the GIL, waits for it or runs, and what is seldom so.

Worked out anew only for the threads of which something may be new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from nbspy.cpython.attached import AttachedWords
from nbspy.cpython.gil import GilWords
from nbspy.cpython.plan_book import Plan
from nbspy.cpython.rare_states import RareStates, RareWords, ThreadWords
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_list import TrackedThread
from nbspy.target.memory import RemoteMemory
from nbspy.wire import State

_HOLDS: Final = int(State.ACTIVE | State.GIL)
_WAITS: Final = int(State.GIL_WAIT)
_ACTIVE: Final = int(State.ACTIVE)
_NO: Final = b"\0\0\0\0"


class StateNotes:
    """Keeps :attr:`TrackedThread.bits` of one target."""

    def __init__(self, memory: RemoteMemory, runtime: Runtime, finalizer_on: Callable[[TrackedThread], bool]) -> None:
        """``finalizer_on``: whether a finalizer (``__del__``) is on the stack of a thread."""
        self._requested = runtime.layout.thread_state.gil_requested
        self._free_threaded = runtime.layout.free_threaded
        self._gil: GilWords | AttachedWords | None = None
        self._words = ThreadWords(memory, runtime.layout)
        self._rare_states: RareStates[TrackedThread] = RareStates(finalizer_on)
        self._rare: tuple[RareWords, bytes] | None = None
        """The words of the last sample that was not told at a glance, which is one in which they tell of nothing."""
        self._was_quiet = False
        """True where they told of nothing."""
        self.holders: tuple[int, ...] = ()
        """The thread states that held a GIL at the last sample; attached ones where there is none."""

    def believed(self, plan: Plan, data: bytes, holders: tuple[int, ...]) -> None:
        """Take a copy that was believed."""
        self.holders = holders
        self._gil = plan.words.gil
        self._rare = plan.words.rare, plan.words.rare_words(data)

    def followed(self, thread: TrackedThread) -> None:
        """Take what the thread state itself tells, for a thread whose region is new."""
        if thread.chain.region:
            thread.beside = self._words.bits(thread.chain.region)

    def note(self, may_be_new: Sequence[TrackedThread], everyone: Sequence[TrackedThread]) -> list[TrackedThread]:
        """Set the bits of these threads, or of ``everyone``; return those whose bits are others than they were."""
        assert self._rare is not None, "something was believed"
        words, data = self._rare
        quiet = data == words.quiet
        as_usual = quiet and self._was_quiet
        noted = may_be_new if as_usual else everyone
        before = [thread.bits for thread in noted]
        for thread in noted:
            thread.bits = self._main_state(thread) | thread.beside
        if not as_usual:
            # Without a GIL several threads may run Python: one that is attached need not be the one that collects.
            self._rare_states.mark(words, data, noted, () if self._free_threaded else self.holders)
        self._was_quiet = quiet
        return [thread for thread, bits in zip(noted, before, strict=True) if thread.bits != bits]

    def _main_state(self, thread: TrackedThread) -> int:
        """Return what a thread mainly does.

        What this, or ThreadWords, reads of its region must be among :attr:`ChainHead.deciding_words`.
        """
        if thread.state.address in self.holders:
            return _ACTIVE if self._free_threaded else _HOLDS
        requested = self._requested
        if requested is not None and thread.chain.region[requested : requested + 4] != _NO:
            # 3.15 says it itself, at the instant of the copy.
            return _WAITS
        if thread.running:
            return _ACTIVE
        if thread.waits_for and self._gil is not None and self._gil.is_waited_for(thread.waits_for):
            return _WAITS
        return 0
