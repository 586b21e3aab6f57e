"""One look at a target whose holders of a GIL stand: nobody but they could change a frame, so what it shows was there.

They stand for one vectored copy, for following what in it is new, and for reading code objects that were never seen.
What needs nobody to stand is done by the caller, when they run on again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from nbspy.cpython.follower import Follower
from nbspy.cpython.plan_book import Plan, PlanBook
from nbspy.cpython.quick_look import LOOKS
from nbspy.cpython.thread_list import ThreadList
from nbspy.target.process import StopOutcome, ThreadStopper


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
        self.while_standing: Callable[[tuple[int, ...]], None] | None = None
        """Called with the holders while they stand, where what was seen is believed."""

    def take(
        self, plan: Plan, holders: tuple[int, ...], threads: Sequence[int], *, patient: bool
    ) -> tuple[list[StopOutcome], Seen | None]:
        """Stop ``threads``, whose states are the ``holders``, for one look, and let them run on, whatever happens.

        Returns what became of each and, where all stood and were still the holders, what was seen. ``patient``: threads
        that are new are not listed while others stand.
        """
        stopper = self.stopper
        outcomes: list[StopOutcome] = []
        try:
            outcomes = [stopper.stop(threads[0])] if len(threads) == 1 else stopper.stop_all(threads)
            stood = all(outcome is StopOutcome.STOPPED for outcome in outcomes)
            return outcomes, self._look(plan, holders, patient=patient) if stood else None
        finally:
            standing = False
            for thread, outcome in zip(threads, outcomes, strict=False):
                if outcome is StopOutcome.STOPPED:
                    stopper.resume(thread)
                    standing = True
            if standing:
                self._stop_times_ns.append(time.perf_counter_ns() - stopper.asked_ns)

    def _look(self, plan: Plan, holders: tuple[int, ...], *, patient: bool) -> Seen | None:
        """Copy and follow while the holders stand; None where they are no longer the holders."""
        follower = self._follower
        data = plan.copy()
        if not plan.stood(data, holders) or not self._plans.covers(plan, data):
            return None
        if not (plan.words.same_lists(data) and follower.follow(plan, data)):
            self._list.listed = False
            if patient or not self._refresh_threads():
                return None
            self._plans.plan_chains()
            plan = self._plans.ready()
            data = plan.copy()
            if not plan.stood(data, holders) or not follower.follow(plan, data):
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
