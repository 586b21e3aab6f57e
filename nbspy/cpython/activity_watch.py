"""What the system says that threads do, asked no oftener than it can matter.

A thread that runs is asked about at every sample, but for the one that has the GIL, of which that is known. One that
waited and has not moved since is asked about every :data:`QUIET_NS`, and the more seldom the longer it has waited: to
ask costs 2 to 5 us, and 150 threads that sleep would cost more than the rest of a sample.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Collection, Iterable
from typing import Final

from nbspy.cpython.thread_list import TrackedThread
from nbspy.target.process import Activity, Target

QUIET_NS: Final = 10_000_000
_SHARE: Final = 8
"""After this part of the time that a thread has waited it is asked about again."""
_MAX_QUIET_NS: Final = 200_000_000
_NEVER: Final = 1 << 63


class ActivityWatch:
    """Keeps :attr:`TrackedThread.running` and :attr:`TrackedThread.waits_for` of one target."""

    def __init__(self, target: Target) -> None:
        self._activity = target.activity
        self._awake: dict[TrackedThread, None] = {}
        self._resting: list[tuple[int, int, TrackedThread]] = []
        """Heap of (when to ask again, a number, thread); entries of threads that have moved since are passed over."""
        self._numbers = itertools.count()
        self.known: Collection[int] | None = None
        self._unknown: list[TrackedThread] = []
        """Those awake that are to be asked about while ``known`` are the known; None where that is to be found out."""
        self.asked: list[TrackedThread] = []
        """Those that the system was asked about since :meth:`look` was called."""
        self.one_is_gone = False
        """True where one of them has ended."""
        self.due_ns = 0
        """Monotonic time from which :meth:`look` asks about somebody, while ``known`` stays the same object."""

    def follow(self, threads: Iterable[TrackedThread]) -> None:
        """Take another list of threads."""
        present = dict.fromkeys(threads)
        self._awake = {thread: None for thread in present if not thread.quiet}
        self.known = None
        self._resting = [entry for entry in self._resting if entry[2] in present]
        heapq.heapify(self._resting)

    def look(self, now_ns: int, known: Collection[int]) -> None:
        """Ask about the threads that are due, but for those whose states are ``known`` to have the GIL."""
        self.asked = []
        self.one_is_gone = False
        if known is not self.known:
            self.known = known
            self._unknown = [thread for thread in self._awake if thread.state.address not in known]
        for thread in self._unknown:
            self.ask(thread, now_ns)
        resting = self._resting
        while resting and resting[0][0] <= now_ns:
            due_ns, _, thread = heapq.heappop(resting)
            if thread.quiet and thread.due_ns == due_ns:
                self.ask(thread, now_ns)
        self.due_ns = 0 if self._unknown else resting[0][0] if resting else _NEVER

    def ask(self, thread: TrackedThread, now_ns: int) -> None:
        """Ask about one thread."""
        doing, thread.waits_for = self._activity(thread.host_id)
        thread.running = doing is Activity.RUNNING
        self.asked.append(thread)
        if doing is Activity.GONE:
            self.one_is_gone = True
        if thread.running:
            self.wake(thread)
            return
        if not thread.quiet:
            thread.quiet = True
            thread.quiet_since_ns = now_ns
            self._awake.pop(thread, None)
            self.known = None
        wait_ns = min(max(QUIET_NS, (now_ns - thread.quiet_since_ns) // _SHARE), _MAX_QUIET_NS)
        thread.due_ns = now_ns + wait_ns
        self.due_ns = min(self.due_ns, thread.due_ns)
        heapq.heappush(self._resting, (thread.due_ns, next(self._numbers), thread))

    def wake(self, thread: TrackedThread) -> None:
        """Take note that a thread has moved, or runs."""
        thread.quiet = False
        if thread not in self._awake:
            self._awake[thread] = None
            self.known = None
