"""One look at a target of which nothing is stopped: what it shows is believed only where there is proof that it was.

A copy is taken again at once. A thread is believed where its stack is known to exist, where call sites vouch for it,
or where the links of its chain were the same in :data:`~nbspy.cpython.quick_look.LOOKS` copies and no call site says
otherwise. Frames that are the same in many copies are learnt on the way (:mod:`nbspy.cpython.standing_frames`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nbspy.cpython.code_object import CodeCache
from nbspy.cpython.copy_plan import Span
from nbspy.cpython.follower import Follower
from nbspy.cpython.known_stacks import KnownStacks
from nbspy.cpython.plan_book import Plan, PlanBook
from nbspy.cpython.quick_look import LOOKS
from nbspy.cpython.standing_frames import StandingFrames
from nbspy.cpython.thread_list import ThreadList, TrackedThread
from nbspy.errors import CorruptTarget, MemoryFault

_TOO_OFTEN: Final = 64
"""After so many looks in a row that could not be followed, the ranges or the list of threads may be wrong."""


class Agreed(NamedTuple):
    """A copy that is believed."""

    plan: Plan
    data: bytes
    holders: tuple[int, ...]
    proved: list[TrackedThread]
    """Threads on whose stacks several looks have agreed."""


class RunningLook:
    """Looks at the threads of one target while they run."""

    def __init__(
        self, listed: ThreadList, plans: PlanBook, follower: Follower, codes: CodeCache, known: KnownStacks
    ) -> None:
        self._list = listed
        self._plans = plans
        self._follower = follower
        self._codes = codes
        self._standing_frames = StandingFrames(known)
        self._astray = 0
        """How many looks in a row could not be followed."""

    def start_anew(self) -> None:
        """Forget what was learnt of threads: they are others."""
        self._standing_frames.forget()

    def take(self, plan: Plan, data: bytes, now_ns: int, *, held: bool, agreed: bool) -> Agreed | None:
        """Return what is believed of ``data``, a copy of ``plan``, or of another taken in its place; None for nothing.

        ``agreed``: looks have agreed on it already; ``held``: although the GIL may be held. Raises MemoryFault and
        CorruptTarget.
        """
        follower = self._follower
        if not self._plans.covers(plan, data):
            plan = self._plans.since(plan.turn(data), now_ns, follower.moving()) or self._plans.ready()
            data, agreed = plan.copy(), False
        further: list[bytes] = []
        if not agreed and (
            follower.changed or any(data[start:end] != thread.chain.region for thread, start, end in plan.spans)
        ):
            # At once, before anything is made of the first: the longer between looks, the seldomer they agree.
            further += [plan.copy() for _ in range(LOOKS - 1)]
        holders = plan.words.gil.holders(data)
        if (holders and not held) or not self._plans.covers(plan, data):
            return None
        try:
            # What leads astray again and again may be as it is seen.
            stood = self._astray >= _TOO_OFTEN
            followed = plan.words.same_lists(data) and follower.follow(plan, data, stood=stood)
        except (MemoryFault, CorruptTarget):
            # Frames of generators lie in objects that are freed, and their links in a torn copy lead anywhere.
            self._astray += 1
            if not stood:
                return None
            self._astray = 0
            raise
        self._astray = 0
        if not followed:
            self._list.listed = False
            return None
        changed = [span for span in plan.spans if span.thread in follower.changed]
        if any(span.thread.chain.unpredicted for span in changed):
            return None
        known = follower.are_known()
        if not known and not (follower.is_whole(plan, changed, data) and follower.begin_credibly(holders)):
            return None
        follower.refresh_codes(plan.words.generations(data))
        if not follower.run_what_they_say():
            return None
        proved = self._proof(plan, changed, data, further, known=known)
        if proved is None or not self._list.are_the_same(follower.changed):
            return None
        return Agreed(plan, data, holders, proved)

    def _proof(
        self, plan: Plan, changed: list[Span[TrackedThread]], data: bytes, further: list[bytes], *, known: bool
    ) -> list[TrackedThread] | None:
        """Return the threads on whose stacks ``further`` looks agree with ``data``, where that is the only proof.

        None where there is none. ``known``: their stacks were, before their code objects were looked at again.
        """
        follower = self._follower
        if known:
            return [] if follower.are_known() else None
        if follower.vouched_for() and not self._codes.fresh:
            return []
        if self._codes.fresh:
            # The frames must still be there, so that what was read as their code objects is.
            further = [*further, plan.copy()]
        if follower.stands_still(plan, changed, data, further) and not follower.contradicted():
            return [span.thread for span in changed]
        for span in changed:
            self._standing_frames.saw(span.thread)
        return None
