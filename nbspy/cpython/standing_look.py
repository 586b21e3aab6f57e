"""One look at a target whose holders of a GIL stand: nobody but they could change a frame, so what it shows was there.

Nearly always they stand for one vectored copy alone: it is followed when they run on again. Where that meets what must
not change meanwhile, a frame outside of the copy or a code object that was never seen, they are stopped a second time,
for as long as it takes to read that. What they ran the first time may be gone by then, and be something that always is:
so the next few looks read everything while they stand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from nbspy.cpython.follower import Follower
from nbspy.cpython.plan_book import Plan, PlanBook
from nbspy.cpython.quick_look import LOOKS
from nbspy.cpython.thread_list import ThreadList
from nbspy.target.process import StopOutcome, ThreadStopper

_THOROUGH_NEXT: Final = 16
"""So many looks are thorough at once, without a brief one before, where brief ones have met what they cannot have."""


class Seen(NamedTuple):
    """A copy that was taken while threads stood, and that the chains have followed."""

    plan: Plan
    data: bytes


class StandingLook:
    """Stops the threads of one target. Bound to the thread that made its ``stopper``."""

    def __init__(
        self,
        stopper: ThreadStopper,
        listed: ThreadList,
        plans: PlanBook,
        follower: Follower,
        *,
        free_threaded: bool,
        refresh_threads: Callable[[], bool],
        stop_times_ns: list[int],
    ) -> None:
        """``refresh_threads`` lists the threads anew; False where that did not succeed.

        To ``stop_times_ns`` is added how long threads stood, each time.
        """
        self.stopper = stopper
        self._list = listed
        self._plans = plans
        self._follower = follower
        self._free_threaded = free_threaded
        self._refresh_threads = refresh_threads
        self._stop_times_ns = stop_times_ns
        self._thorough_left = 0
        self.incomplete = False
        """True where the last brief look found what it may only read while threads stand."""
        self.while_standing: Callable[[tuple[int, ...]], None] | None = None
        """Called with the holders while they stand, where what was seen is believed."""

    @property
    def is_brief(self) -> bool:
        """True where threads stand for a copy alone, and the look may have to be followed by one that is not."""
        return not (self._free_threaded or self._thorough_left or self.while_standing is not None)

    def take(
        self, plan: Plan, holders: tuple[int, ...], threads: Sequence[int], *, patient: bool, brief: bool
    ) -> tuple[list[StopOutcome], Seen | None]:
        """Stop ``threads``, whose states are the ``holders``, for one look, and let them run on, whatever happens.

        Returns what became of each and, where all stood and were still the holders, what was seen. ``patient``: threads
        that are new are not listed while others stand. ``brief``: they stand for the copy only.
        """
        stopper = self.stopper
        self.incomplete = False
        outcomes: list[StopOutcome] = []
        seen: Seen | None = None
        try:
            outcomes = [stopper.stop(threads[0])] if len(threads) == 1 else stopper.stop_all(threads)
            stood = all(outcome is StopOutcome.STOPPED for outcome in outcomes)
            if stood and brief:
                plan.read()
            elif stood:
                self._thorough_left = max(self._thorough_left - 1, 0)
                seen = self._look(plan, holders, patient=patient)
        finally:
            standing = False
            for thread, outcome in zip(threads, outcomes, strict=False):
                if outcome is StopOutcome.STOPPED:
                    stopper.resume(thread)
                    standing = True
            if standing:
                self._stop_times_ns.append(time.perf_counter_ns() - stopper.asked_ns)
        return outcomes, self.follow(plan, holders) if stood and brief else seen

    def copy(self, plan: Plan, thread: int) -> StopOutcome:
        """Stop ``thread`` for one copy, and let it run on, whatever happens. Raises MemoryFault."""
        stopper = self.stopper
        outcome = stopper.stop(thread)
        if outcome is StopOutcome.STOPPED:
            try:
                plan.read()
            finally:
                stopper.resume(thread)
                self._stop_times_ns.append(time.perf_counter_ns() - stopper.asked_ns)
        return outcome

    def follow(self, plan: Plan, holders: tuple[int, ...]) -> Seen | None:
        """Follow the copy that ``plan`` has, when the holders run again; None where that is not all that is wanted."""
        follower = self._follower
        self.incomplete = False
        data = bytes(plan.buffer)
        if not plan.stood(data, holders) or not self._plans.covers(plan, data):
            return None
        if not (plan.words.same_lists(data) and follower.follow(plan, data, stood=True)):
            self._list.listed = False
            return None
        if any(thread.chain.unpredicted for thread in follower.changed):
            self._thorough_left = _THOROUGH_NEXT
            self.incomplete = True
            return None
        if not follower.begin_credibly(holders) or not self._list.are_the_same(follower.changed):
            return None
        if not follower.refresh_codes(plan.words.generations(data)):
            # Others may lie there by now; the thorough look that follows finds them read already.
            self._thorough_left = _THOROUGH_NEXT
            self.incomplete = True
            return None
        return Seen(plan, data)

    def _look(self, plan: Plan, holders: tuple[int, ...], *, patient: bool) -> Seen | None:
        """Copy and follow while the holders stand; None where they are no longer the holders."""
        follower = self._follower
        data = plan.copy()
        if not plan.stood(data, holders) or not self._plans.covers(plan, data):
            return None
        if not (plan.words.same_lists(data) and follower.follow(plan, data, stood=True)):
            self._list.listed = False
            if patient or not self._refresh_threads():
                return None
            self._plans.plan_chains()
            plan = self._plans.ready()
            data = plan.copy()
            if not plan.stood(data, holders) or not follower.follow(plan, data, stood=True):
                return None
        if self._free_threaded:
            # Others may have attached, called and detached while they were copied: no words tell of that.
            free = [span for span in plan.spans if span.thread.state.address not in holders]
            moved = [span for span in free if span.thread in follower.changed]
            if moved and not follower.is_whole(plan, moved, data):
                return None
            if moved and not follower.stands_still(plan, moved, data, [plan.copy() for _ in range(LOOKS - 1)]):
                return None
        if not follower.begin_credibly(holders) or not self._list.are_the_same(follower.changed):
            return None
        follower.refresh_codes(plan.words.generations(data))
        if self.while_standing is not None:
            self.while_standing(holders)
        return Seen(plan, data)
