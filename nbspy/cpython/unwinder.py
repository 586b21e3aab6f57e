"""One call, one consistent observation of all threads of a target.

Most samples show a stack that is known, of the one thread that can have moved: :mod:`nbspy.cpython.quick_look` tells
them from one copy. Nobody is stopped for that where nearly every such look tells; where not, as in what goes from one
coroutine to the next all the time, what looks tell is not what is there most, and the thread stands for the copy:
:mod:`nbspy.cpython.stop_schedule` says which samples do.

Blocking: the thread that holds the GIL, which alone can change Python frames, is stopped, everything is copied in one
vectored read, and it runs on. Then the copy is told at a glance, or what has changed is followed; names and lines are
worked out afterwards. The copy begins and ends with the words that say who holds the GIL: where they differ, or name
another than the thread that was stopped, the copy is thrown away and taken again. Where nobody holds the GIL nothing is
stopped. A stack that was seen standing is known from then on.

Where nothing is stopped (that case, and all of the non-blocking mode), a stack is believed only where there is proof of
it (:mod:`nbspy.cpython.running_look`). What cannot be had within :data:`ATTEMPTS` is discarded and counted: a stack
that never existed is worse than a missing one. A function whose every call is over sooner than several looks take, some
20 us, and of which no call site tells, may stay unknown there: what comes after it is seen in its place, and counted as
retried.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from nbspy.cpython.activity_watch import ActivityWatch
from nbspy.cpython.call_sites import CallSites
from nbspy.cpython.code_object import CodeCache, SourceNames
from nbspy.cpython.follower import Follower
from nbspy.cpython.frame_struct import frame_struct
from nbspy.cpython.glance import ELSEWHERE
from nbspy.cpython.interner import Interner
from nbspy.cpython.known_stacks import KnownStacks
from nbspy.cpython.line_table import Entry
from nbspy.cpython.observed_frames import ObservedFrame, observed_frames
from nbspy.cpython.plan_book import Plan, PlanBook
from nbspy.cpython.plan_maker import PlanMaker
from nbspy.cpython.quick_look import OFTEN_TORN, QuickLook
from nbspy.cpython.running_look import RunningLook
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.sample_outcome import SampleOutcome
from nbspy.cpython.standing_look import StandingLook
from nbspy.cpython.state_notes import StateNotes
from nbspy.cpython.stop_schedule import StopSchedule
from nbspy.cpython.thread_list import ThreadList, TrackedThread
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.process import StopOutcome, Target

ATTEMPTS: Final = 16
_PATIENT_ATTEMPTS: Final = 4
"""Attempts that let the target run on to learn where new threads lie; later ones do it while it stands."""
_BUDGET_NS: Final = 5_000_000
"""No more attempts are begun after this time, but for the first few."""
_ATTEMPTS_IN_VAIN: Final = 2
"""Attempts after many quick looks have agreed on nothing."""


class Unwinder:
    """Observes one target. Not thread-safe: stopping is bound to the thread that first samples."""

    def __init__(
        self, target: Target, runtime: Runtime, names: SourceNames, interner: Interner, *, blocking: bool = True
    ) -> None:
        layout = runtime.layout
        self._target = target
        self._runtime = runtime
        self._free_threaded = layout.free_threaded
        """All that is said of threads that hold a GIL is then said of attached ones: each may change its frames."""
        self._codes = CodeCache(target.memory, layout, interner, names)
        sites = CallSites(target.memory, layout, self._codes.identity_range[0])
        self._known = KnownStacks(interner, self._codes, layout.frame, sites)
        self._changed: dict[TrackedThread, None] = {}
        """Threads whose frames moved since the last sample that was believed."""
        self._list = ThreadList(target, runtime, self._codes, self._changed)
        self._activity = ActivityWatch(target)
        unpack = frame_struct(layout.frame)
        self._make_plan = PlanMaker(
            target.memory, runtime, self._list, self._codes, self._known, unpack, tails=not blocking
        )
        self._plans = PlanBook(self._list, self._make_plan)
        self._states = StateNotes(target.memory, runtime, self._has_finalizer)
        self._now_ns = 0
        """Monotonic time of this sample."""
        self._follower = Follower(runtime, interner, self._codes, self._known, self._list, self._plans, self._changed)
        self._running = RunningLook(self._list, self._plans, self._follower, self._codes, self._known)
        self.stop_times_ns: list[int] = []
        """How long threads were kept standing, since the caller last emptied it."""
        self._stopper = target.stopper() if blocking else None
        self._standing: StandingLook | None = None
        """None where nothing is stopped."""
        if self._stopper is not None:
            self._standing = StandingLook(
                self._stopper,
                self._list,
                self._plans,
                self._follower,
                free_threaded=self._free_threaded,
                refresh_threads=self._refresh_threads,
                stop_times_ns=self.stop_times_ns,
            )
        self.schedule = StopSchedule()
        """When to stop a thread without looking first."""
        self._at_once = False
        """True where this sample does not look whether the stack is known before it stops a thread."""
        self._quick = QuickLook(self._plans, self._list, self._codes, self.schedule, stops=blocking)
        self._outcome = SampleOutcome(
            follower=self._follower,
            known=self._known,
            codes=self._codes,
            listed=self._list,
            plans=self._plans,
            activity=self._activity,
            states=self._states,
            quick=self._quick,
            schedule=self.schedule,
        )
        self.threads_version = 0
        """Grows when :attr:`threads` becomes another list."""
        self._attempts = 0
        """Those that were made after a first."""
        self.discarded = 0
        self._refusal = ""
        """Why stopping was given up; "" while it was not."""
        self.while_standing: Callable[[tuple[int, ...]], None] | None = None
        """Called with the thread states that hold a GIL when a sample is believed: while they stand, if they do."""

    @property
    def threads(self) -> list[TrackedThread]:
        """The threads of the last sample, main interpreter first, oldest first."""
        return self._list.threads

    @property
    def news(self) -> list[TrackedThread]:
        """The threads whose node or state bits are not what they were at the sample before."""
        return self._outcome.news

    @property
    def failure(self) -> Exception | None:
        """Why the threads could not be listed the last time."""
        return self._list.failure

    @property
    def blocking(self) -> bool:
        """True while the GIL holder is stopped for what is new."""
        return self._standing is not None

    @property
    def notice(self) -> str:
        """What the person should know of how the target is sampled, at first why stopping was given up; "" for nothing.

        Another text is to be told besides those before.
        """
        doubtful = self._standing is None and self._quick.is_often_torn(self._follower.samples)
        return OFTEN_TORN if doubtful else self._refusal

    @property
    def retried(self) -> int:
        """How often another copy was taken because one was torn, or showed what is not known and could not be had."""
        return self._attempts + self._quick.retried

    def close(self) -> None:
        if self._stopper is not None:
            self._stopper.close()

    def release_late(self) -> bool:
        """Let threads go that were slow to stop; True while some have still not: they would stand until the next call.

        Costs nothing where there are none.
        """
        return self._stopper is not None and self._stopper.release_late()

    def sample(self) -> bool:
        """Observe all threads: afterwards :attr:`threads` holds their leaf nodes and states.

        Returns False where no consistent copy was had; the threads then are as they were. Raises TargetEnded and
        PermissionRefused as the target does.
        """
        self.release_late()
        now = self._now_ns = time.monotonic_ns()
        self._outcome.ahead = None
        if not self._list.listed and not self._refresh_threads():
            self.discarded += 1
            return False
        # Before anything is stopped: a stop would make sleepers look busy.
        activity = self._activity
        holders = self._states.holders
        if now >= activity.due_ns or holders is not activity.known:
            activity.look(now, holders)
        elif activity.asked:
            activity.asked = []
        if activity.one_is_gone and not self._list.native_ids_are_theirs and not self._refresh_threads():
            # Another may have taken its place (see ThreadList.are_the_same).
            self.discarded += 1
            return False
        # Where all threads are due none stands while they are copied, unless there is something new.
        full = now >= self._plans.full_due_ns
        self._at_once = self._standing is not None and self.schedule.stops_at_once() and not full
        quick = self._quick
        if not self._at_once:
            node = quick.node(now)
            if node >= 0:
                assert quick.plan is not None, "its copy told the node"
                self._outcome.tell(quick.plan, node, now)
                return True
        if quick.plan is None or self._standing is None or full:
            return self._observe_well()
        return self._observe_standing(quick.plan, self._standing)

    def _observe_standing(self, plan: Plan, standing: StandingLook) -> bool:
        """Stop the one thread of ``plan`` for a copy, which most often tells all at a glance."""
        if plan.glance is None or not plan.glance.fits:
            # A sample that was discarded has chosen other ranges for its thread.
            return self._observe_well()
        taken: tuple[Plan, tuple[int, ...]] | None = None
        try:
            # All of what is copied when it stands: that is at hand then, and it stands for a shorter time.
            plan.read()
            holders = plan.words.gil.holders(plan.buffer)
            thread = plan.spans[0].thread
            host_id = self._list.host_id(thread.state.address)
            node = ELSEWHERE
            if not holders:
                # Its frames could not change, if that is so at the copy's end too, which the glance looks at.
                node = self._quick.node_standing(plan)
            elif holders == (thread.state.address,) and host_id and standing.is_brief:
                outcome = standing.copy(plan, host_id)
                if outcome is StopOutcome.STOPPED:
                    taken = plan, holders
                    node = self._quick.node_standing(plan)
                elif outcome is StopOutcome.REFUSED:
                    self._give_up_stopping(standing.stopper.refusal())
            if node >= 0:
                self._outcome.tell(plan, node, self._now_ns)
                self.schedule.saw(new=False, at_once=self._at_once, codes_read=self._codes.read)
                return True
        except MemoryFault:
            pass  # what is no longer there will be missed again
        return self._observe_well(taken)

    def _observe_well(self, taken: tuple[Plan, tuple[int, ...]] | None = None) -> bool:
        """Observe as often as it takes; ``taken``: a plan that has a copy of when these holders stood."""
        for attempt in range(_ATTEMPTS_IN_VAIN if self._quick.in_vain else ATTEMPTS):
            if attempt:
                late = time.monotonic_ns() - self._now_ns > _BUDGET_NS
                if late and attempt >= _PATIENT_ATTEMPTS and not self.while_standing:
                    break
                self._attempts += 1
            self._codes.fresh.clear()
            try:
                if self._observe(patient=attempt < _PATIENT_ATTEMPTS, taken=None if attempt else taken):
                    self._outcome.settle(self._now_ns, at_once=self._at_once)
                    if self.while_standing is not None:
                        self._quick.plan = None
                    return True
            except MemoryFault:
                # A range that was planned is no longer there; which one is not worth finding out.
                self._list.forget_chains()
            except CorruptTarget:
                self._list.listed = False
            # What a copy that is not believed pointed to need not be a code object, or not yet.
            self._codes.forget_fresh()
            if not self._list.listed and not self._refresh_threads():
                break
        self.discarded += 1
        return False

    def frames(self, thread: TrackedThread) -> list[ObservedFrame]:
        """Return the frames that the last sample saw of ``thread``, leaf first."""
        outcome = self._outcome
        if outcome.ahead is not None:
            plan, outcome.ahead = outcome.ahead, None
            self._follower.catch_up(plan)
        return observed_frames(thread.chain, self._codes, self._runtime.layout.frame)

    def positions(self, code: int, instruction: int) -> Entry | None:
        """Return lines and columns of what a frame runs; None where they are not known, as before 3.11."""
        return self._codes.positions(code, instruction)

    def _observe(self, *, patient: bool, taken: tuple[Plan, tuple[int, ...]] | None) -> bool:
        """Take one copy, if none is ``taken``, and follow what changed; False where it was not of one instant."""
        self._outcome.proved = []
        self._outcome.seen_standing = []
        if taken is not None:
            return self._observe_stopped(*taken, patient, taken=True)
        plan = self._plans.likely(self._now_ns, self._follower.moving())
        if self._standing is None:
            agreed, self._quick.agreed = self._quick.agreed, None
            if agreed is not None and agreed[0] is plan:
                return self._observe_running(plan, agreed[1], held=True, agreed=True)
            return self._observe_running(plan, plan.copy(), held=True)
        if self._at_once or self.while_standing is not None:
            holders, turn = plan.look()
        else:
            data = plan.copy()
            holders, turn = plan.words.gil.holders(data), plan.words.turns.turn(data)
            if self._recognises(plan, data):
                return True
            plan = self._plans.likely(self._now_ns, self._follower.moving())
        plan = self._plans.since(turn, self._now_ns, self._follower.moving()) or plan
        if not holders:
            return self._observe_running(plan, plan.copy(), held=False)
        return self._observe_stopped(plan, holders, patient)

    def _observe_stopped(self, plan: Plan, holders: tuple[int, ...], patient: bool, *, taken: bool = False) -> bool:
        """Stop the ``holders``, and follow the copy that was taken meanwhile, if ``plan`` has not ``taken`` it."""
        standing = self._standing
        assert standing is not None
        threads = list(dict.fromkeys(map(self._list.host_id, holders)))
        if 0 in threads:
            # The system's id of a holder is not known.
            return self._observe_running(plan, plan.copy(), held=True)
        standing.while_standing = self.while_standing
        if taken:
            outcomes, seen = [StopOutcome.STOPPED], standing.follow(plan, holders)
        else:
            outcomes, seen = standing.take(plan, holders, threads, patient=patient, brief=standing.is_brief)
        if standing.incomplete:
            plan = self._plans.likely(self._now_ns, self._follower.moving())
            outcomes, seen = standing.take(plan, holders, threads, patient=patient, brief=False)
        stood = all(outcome is StopOutcome.STOPPED for outcome in outcomes)
        if seen is not None:
            # What needs no thread to stand is done when none does.
            self._outcome.believe(seen.plan, seen.data, seen.plan.words.gil.holders(seen.data), self._now_ns)
            # Without a GIL those that were not attached may have moved; several looks have agreed on them.
            outcome = self._outcome
            for thread in self._changed:
                stood_still = not self._free_threaded or thread.state.address in holders
                (outcome.seen_standing if stood_still else outcome.proved).append(thread)
            return True
        if stood:
            return False
        if StopOutcome.GONE in outcomes:
            self._list.listed = False
            return False
        if StopOutcome.REFUSED in outcomes:
            self._give_up_stopping(standing.stopper.refusal())
            return False
        # It holds the GIL and does not stop: it hangs in the kernel, or may not be traced. Several looks must do.
        return self._observe_running(plan, plan.copy(), held=True)

    def _recognises(self, plan: Plan, data: bytes) -> bool:
        """Believe ``data`` without stopping anyone where it shows nothing but stacks that were seen standing."""
        if not self._plans.covers(plan, data):
            other = self._plans.since(plan.turn(data), self._now_ns, self._follower.moving())
            if other is None:
                return False
            plan, data = other, other.copy()
            if not self._plans.covers(plan, data):
                return False
        generations = plan.words.generations(data)
        if generations != self._follower.generations or self._follower.due_for_revalidation(generations):
            # Code objects are looked at again: better while they cannot change.
            return False
        try:
            if not (plan.words.same_lists(data) and self._follower.follow(plan, data, stood=False)):
                return False
        except (MemoryFault, CorruptTarget):
            return False
        if any(thread.chain.unpredicted for thread in self._changed):
            return False
        if not self._follower.are_known():
            self._follower.read_ahead()
            return False
        self._follower.refresh_codes(generations)
        if not (self._follower.are_known() and self._list.are_the_same(self._changed)):
            return False
        self._outcome.believe(plan, data, plan.words.gil.holders(data), self._now_ns)
        return True

    def _observe_running(self, plan: Plan, data: bytes, *, held: bool, agreed: bool = False) -> bool:
        """Observe without stopping anyone: see :meth:`RunningLook.take`."""
        seen = self._running.take(plan, data, self._now_ns, held=held, agreed=agreed)
        if seen is None:
            return False
        self._outcome.proved = seen.proved
        self._outcome.believe(seen.plan, seen.data, seen.holders, self._now_ns)
        if self.while_standing is not None:
            self.while_standing(seen.holders)
        return True

    def _has_finalizer(self, thread: TrackedThread) -> bool:
        return any(frame.key.name == "__del__" for frame in self.frames(thread))

    def _give_up_stopping(self, reason: str) -> None:
        self._refusal = f"threads of the target cannot be stopped ({reason}): sampling goes on without stopping them"
        # What does the stopping is kept: others may have been asked already, and stand when they come to it.
        self._standing = None
        self._quick.stops = False
        self._make_plan.tails = True
        self._plans.clear()

    def _refresh_threads(self) -> bool:
        """List the threads anew; False where that did not succeed."""
        if not self._list.refresh():
            return False
        self.threads_version = self._list.version
        self._activity.follow(self.threads)
        self._follower.generations = b""
        self._running.start_anew()
        self._plans.start_anew()
        return True
