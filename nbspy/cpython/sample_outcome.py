"""What a believed sample leaves behind: the nodes and states of threads, and what the next one begins with."""

from __future__ import annotations

from collections.abc import Sequence

from nbspy.cpython.activity_watch import ActivityWatch
from nbspy.cpython.code_object import CodeCache
from nbspy.cpython.follower import Follower
from nbspy.cpython.known_stacks import PROOFS, KnownStacks
from nbspy.cpython.plan_book import Plan, PlanBook
from nbspy.cpython.quick_look import QuickLook
from nbspy.cpython.state_notes import StateNotes
from nbspy.cpython.stop_schedule import StopSchedule
from nbspy.cpython.thread_list import ThreadList, TrackedThread


class SampleOutcome:
    """Takes down what the samples of one target have shown."""

    def __init__(
        self,
        *,
        follower: Follower,
        known: KnownStacks,
        codes: CodeCache,
        listed: ThreadList,
        plans: PlanBook,
        activity: ActivityWatch,
        states: StateNotes,
        quick: QuickLook,
        schedule: StopSchedule,
    ) -> None:
        """All of one target; ``quick`` and ``schedule`` are told what the next sample may begin with."""
        self._follower = follower
        self._known = known
        self._codes = codes
        self._list = listed
        self._plans = plans
        self._activity = activity
        self._states = states
        self._quick = quick
        self._schedule = schedule
        self.proved: list[TrackedThread] = []
        """Threads on whose stacks several looks have agreed in this sample."""
        self.seen_standing: list[TrackedThread] = []
        """Threads that could not move while their stacks were copied in this sample."""
        self._noted: list[TrackedThread] = []
        """The threads whose state may have changed in this sample."""
        self._believed: tuple[Plan, bytes]
        """The copy that was believed last."""
        self.ahead: Plan | None = None
        """The plan by whose copy the last sample was told at a glance: the chain of its thread has not followed."""
        self.news: list[TrackedThread] = []
        """The threads whose node or state bits are not what they were at the sample before."""

    def tell(self, plan: Plan, node: int, now_ns: int) -> None:
        """Take a sample in which nothing is new but, perhaps, the leaf node of one thread; ``plan`` has its copy.

        Hot path.
        """
        follower = self._follower
        follower.samples += 1
        if not plan.words.counts_codes and follower.due_for_revalidation(b""):
            self._quick.plan = None
        self.ahead = plan
        thread = plan.spans[0].thread
        if not thread.ahead_of_chain:
            thread.ahead_of_chain = True
            follower.followed += 1
        news = []
        if node != thread.node:
            thread.node = node
            news = [thread]
            if thread.quiet:
                self._activity.wake(thread)
        # Of threads that were not asked about all was seen to be the same.
        asked: Sequence[TrackedThread] = self._activity.asked
        if plan.glance is not None and plan.glance.faces.turned:
            # It has let the GIL go, or has it again.
            self.believe(plan, bytes(plan.buffer), plan.words.gil.holders(plan.buffer), now_ns)
            thread.beside = plan.glance.faces.beside
            asked = self._noted
            if thread.quiet and self._states.holders:
                self._activity.wake(thread)
        self.news = list(dict.fromkeys([*news, *self._states.note(asked, self._list.threads)])) if asked else news

    def believe(self, plan: Plan, data: bytes, holders: tuple[int, ...], now_ns: int) -> None:
        """Take ``data``, a copy by ``plan``, for what was there, and ``holders`` for who had a GIL then."""
        had = self._states.holders
        self._states.believed(plan, data, holders)
        for address in had:
            # These were not asked about, and nobody has stopped them now.
            thread = self._list.by_address.get(address)
            if thread is not None and address not in holders:
                self._activity.ask(thread, now_ns)
        if self._plans.has_all(plan):
            self._noted = self._list.threads
        else:
            concerned = map(self._list.by_address.get, {*had, *holders, *plan.of})
            threads = [thread for thread in concerned if thread is not None]
            self._noted = [*dict.fromkeys([*threads, *self._activity.asked])]
        self._believed = plan, data

    def settle(self, now_ns: int, *, at_once: bool) -> None:
        """Name the stacks of the threads that changed, and take down everyone's state.

        ``at_once``: see :meth:`StopSchedule.saw`.
        """
        follower = self._follower
        follower.samples += 1
        news = self.news = []
        for thread in follower.changed:
            if thread.quiet:
                self._activity.wake(thread)
            node = follower.name(thread)
            self._states.followed(thread)
            if thread.node != node:
                thread.node = node
                news.append(thread)
        for thread in self.proved:
            self._known.proved(thread)
        new = [thread for thread in self.seen_standing if self._known.proved(thread, PROOFS)]
        self._schedule.saw(new=bool(new), at_once=at_once, codes_read=self._codes.read)
        self.news += self._states.note(self._noted, self._list.threads)
        follower.changed.clear()
        plan, data = self._believed
        self._plans.believed(plan, data, now_ns)
        self._quick.remember(plan, data)
