"""One call, one consistent observation of all threads of a target.

Blocking: only the thread that holds the GIL can change Python frames, so that one is stopped, everything is copied in
one vectored read, what has changed is followed, and it runs on; names and lines are worked out afterwards. The copy
begins and ends with the words that say who holds the GIL: where they differ, or name another than the thread that was
stopped, the copy is thrown away and taken again. Where nobody holds the GIL nothing is stopped.

Where nothing is stopped (that case, and all of the non-blocking mode), copies are looked at :data:`LOOKS` times, and a
thread is believed only where the links of its chain were the same each time. What cannot be had within
:data:`ATTEMPTS` is discarded and counted: a stack that never existed is worse than a missing one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from nbspy.cpython.activity_watch import ActivityWatch
from nbspy.cpython.code_object import CodeCache, SourceNames
from nbspy.cpython.copy_plan import CopyPlan, Span
from nbspy.cpython.frame_struct import frame_struct
from nbspy.cpython.interner import ROOT, Interner
from nbspy.cpython.known_stacks import KnownStacks
from nbspy.cpython.line_table import Entry
from nbspy.cpython.observed_frames import ObservedFrame, observed_frames
from nbspy.cpython.plan_book import Plan, PlanBook
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.state_notes import StateNotes
from nbspy.cpython.thread_list import ThreadList, TrackedThread
from nbspy.cpython.thread_state import word
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.process import StopOutcome, Target

ATTEMPTS: Final = 16
LOOKS: Final = 3
_PATIENT_ATTEMPTS: Final = 4
"""Attempts that let the target run on to learn where new threads lie; later ones do it while it stands."""
_REVALIDATE_EVERY: Final = 32
"""Samples between two looks at every code object on the stacks (before 3.14, which counts freed code objects)."""
_MAX_CODES: Final = 50_000


class _Standing(NamedTuple):
    """What was seen while threads stood: a copy, or b"" where a glance told all."""

    plan: Plan
    data: bytes


class Unwinder:
    """Observes one target. Not thread-safe: stopping is bound to the thread that first samples."""

    def __init__(
        self, target: Target, runtime: Runtime, names: SourceNames, interner: Interner, *, blocking: bool = True
    ) -> None:
        layout = runtime.layout
        self._target = target
        self._runtime = runtime
        self._interner = interner
        self._free_threaded = layout.free_threaded
        """All that is said of threads that hold a GIL is then said of attached ones: each may change its frames."""
        self._unpack = frame_struct(layout.frame)
        self._stopper = target.stopper() if blocking else None
        self._codes = CodeCache(target.memory, layout, interner, names)
        self._known = KnownStacks(interner, self._codes)
        self._changed: dict[TrackedThread, None] = {}
        """Threads whose frames moved since the last sample that was believed."""
        self._list = ThreadList(target, runtime, self._codes, self._changed)
        self._own_id = self._list.own_id
        self._activity = ActivityWatch(target)
        self._plans = PlanBook(self._list, self._make_plan)
        self._states = StateNotes(target.memory, runtime, self._has_finalizer)
        self._now_ns = 0
        """Monotonic time of this sample."""
        self._samples = 0
        self._followed = 0
        """How often a chain was followed, or went on at a glance."""
        self._generations = b""
        self._proved: list[TrackedThread] = []
        """Threads on whose stacks several looks have agreed in this sample."""
        self._noted: list[TrackedThread] = []
        """The threads whose state may have changed in this sample."""
        self.news: list[TrackedThread] = []
        """The threads whose node or state bits are not what they were at the sample before."""
        self.retried = 0
        self.discarded = 0
        self.notice = ""
        """Why stopping was given up; "" while it was not."""
        self.stop_times_ns: list[int] = []
        """How long threads were kept standing, since the caller last emptied it."""
        self.while_standing: Callable[[tuple[int, ...]], None] | None = None
        """Called with the thread states that hold a GIL when a sample is believed: while they stand, if they do."""

    @property
    def threads(self) -> list[TrackedThread]:
        """The threads of the last sample, main interpreter first, oldest first."""
        return self._list.threads

    @property
    def threads_version(self) -> int:
        """Grows when :attr:`threads` becomes another list."""
        return self._list.version

    @property
    def failure(self) -> Exception | None:
        """Why the threads could not be listed the last time."""
        return self._list.failure

    @property
    def blocking(self) -> bool:
        """True while the GIL holder is stopped for each copy."""
        return self._stopper is not None

    def close(self) -> None:
        if self._stopper is not None:
            self._stopper.close()

    def sample(self) -> bool:
        """Observe all threads: afterwards :attr:`threads` holds their leaf nodes and states.

        Returns False where no consistent copy was had; the threads then are as they were. Raises TargetEnded and
        PermissionRefused as the target does.
        """
        if self._stopper is not None:
            self._stopper.release_late()
        self._now_ns = time.monotonic_ns()
        if not self._list.listed and not self._refresh_threads():
            self.discarded += 1
            return False
        # Before anything is stopped: a stop would make sleepers look busy.
        self._activity.look(self._now_ns, self._states.holders)
        if self._activity.one_is_gone and not self._list.native_ids_are_theirs and not self._refresh_threads():
            # Another may have taken its place (see ThreadList.are_the_same).
            self.discarded += 1
            return False
        for attempt in range(ATTEMPTS):
            if attempt:
                self.retried += 1
            loads = self._codes.loads
            try:
                if self._observe(patient=attempt < _PATIENT_ATTEMPTS):
                    self._settle()
                    return True
            except MemoryFault:
                # A range that was planned is no longer there; which one is not worth finding out.
                self._list.forget_chains()
            except CorruptTarget:
                self._list.listed = False
            if self._codes.loads != loads:
                # What a copy that is not believed pointed to need not be a code object, or not yet.
                self._generations = b""
            if not self._list.listed and not self._refresh_threads():
                break
        self.discarded += 1
        return False

    def frames(self, thread: TrackedThread) -> list[ObservedFrame]:
        """Return the frames that the last sample saw of ``thread``, leaf first."""
        return observed_frames(thread.chain, self._codes, self._runtime.layout.frame)

    def positions(self, code: int, instruction: int) -> Entry | None:
        """Return lines and columns of what a frame runs; None where they are not known, as before 3.11."""
        return self._codes.positions(code, instruction)

    def _observe(self, patient: bool) -> bool:
        """Take one copy and follow what changed; False where it was not of one instant."""
        self._proved = []
        plan = self._plans.likely(self._now_ns, self._moving())
        if self._stopper is None:
            return self._observe_running(plan, held=True)
        if not self._states.holders:
            # Nobody held a GIL the last time: where the copy says the same again, nobody has to be asked for.
            plan.read()
            if self._goes_on(plan):
                return True
        holders, turn = plan.look()
        plan = self._plans.since(turn, self._now_ns, self._moving()) or plan
        if not holders:
            return self._observe_running(plan, held=False)
        return self._observe_stopped(plan, holders, patient)

    def _moving(self) -> list[int]:
        """Return the thread states whose frames were followed in a copy that was not believed."""
        return [thread.state.address for thread in self._changed]

    def _make_plan(self, threads: Sequence[TrackedThread]) -> Plan:
        return CopyPlan(
            self._target.memory,
            self._runtime,
            self._list.interpreters,
            threads,
            tails=self._stopper is None,
            unpack=self._unpack,
            code_identity=self._codes.identity_range,
        )

    def _goes_on(self, plan: Plan) -> bool:
        """True where the copy just taken shows nothing new but, perhaps, another instruction of one leaf."""
        if self._changed or plan is not self._plans.current:
            return False
        if not plan.counts_codes and self._samples % _REVALIDATE_EVERY == 0:
            return False
        instruction = plan.glance()
        if instruction is None:
            return False
        thread = plan.spans[0].thread
        if not self._list.are_the_same((thread,)):
            return False
        # All that is told of threads that were not asked about was seen to be the same.
        self._noted = self._activity.asked
        if instruction != thread.chain.instructions[-1]:
            self._followed += 1
            thread.chain.step(instruction)
            del thread.nodes[-1:]
            self._changed[thread] = None
        if self.while_standing is not None:
            self.while_standing(self._states.holders)
        return True

    def _observe_stopped(self, plan: Plan, holders: tuple[int, ...], patient: bool) -> bool:
        stopper = self._stopper
        assert stopper is not None
        threads = list(dict.fromkeys(map(self._list.host_id, holders)))
        if 0 in threads:
            # The system's id of a holder is not known.
            return self._observe_running(plan, held=True)
        outcomes: list[StopOutcome] = []
        try:
            outcomes = [stopper.stop(threads[0])] if len(threads) == 1 else stopper.stop_all(threads)
            stood = all(outcome is StopOutcome.STOPPED for outcome in outcomes)
            seen = self._copy_standing(plan, holders, patient) if stood else None
        finally:
            standing = False
            for thread, outcome in zip(threads, outcomes, strict=False):
                if outcome is StopOutcome.STOPPED:
                    stopper.resume(thread)
                    standing = True
            if standing:
                self.stop_times_ns.append(time.perf_counter_ns() - stopper.asked_ns)
        if seen is not None:
            # What needs no thread to stand is done when none does.
            if seen.data:
                self._believe(seen.plan, seen.data, holders)
            return True
        if stood:
            return False
        if StopOutcome.GONE in outcomes:
            self._list.listed = False
            return False
        if StopOutcome.REFUSED in outcomes:
            self._give_up_stopping(stopper.refusal())
            return False
        # It holds the GIL and does not stop: it hangs in the kernel, or may not be traced. Several looks must do.
        return self._observe_running(plan, held=True)

    def _copy_standing(self, plan: Plan, holders: tuple[int, ...], patient: bool) -> _Standing | None:
        """Copy and follow while the holders stand; None where they are no longer the holders."""
        plan.read()
        if holders == self._states.holders and self._goes_on(plan):
            return _Standing(plan, b"")
        data = bytes(plan.buffer)
        if not plan.stood(data, holders) or not self._plans.covers(plan, data):
            return None
        if not (plan.same_lists(data) and self._follow(plan, data)):
            self._list.listed = False
            if patient or not self._refresh_threads():
                return None
            self._plans.plan_chains()
            plan = self._plans.ready()
            data = plan.copy()
            if not plan.stood(data, holders) or not self._follow(plan, data):
                return None
        if self._free_threaded:
            # Others may have attached, called and detached while they were copied: no words tell of that.
            free = [span for span in plan.spans if span.thread.state.address not in holders]
            moved = [span for span in free if span.thread in self._changed]
            if moved and not (self._is_whole(plan, moved, data) and self._stands_still(plan, moved, data)):
                return None
        if not self._begin_credibly(holders) or not self._list.are_the_same(self._changed):
            return None
        self._refresh_codes(plan.generations(data))
        if self.while_standing is not None:
            self.while_standing(holders)
        return _Standing(plan, data)

    def _observe_running(self, plan: Plan, held: bool) -> bool:
        """Observe without stopping: believe what is known to exist, and else what several looks agree on.

        ``held``: although the GIL may be held.
        """
        plan.read()
        if held and self._stopper is None and self._goes_on(plan):
            return True
        data = bytes(plan.buffer)
        if not self._plans.covers(plan, data):
            plan = self._plans.since(plan.turn(data), self._now_ns, self._moving()) or self._plans.ready()
            data = plan.copy()
        holders = plan.gil.holders(data)
        if (holders and not held) or not self._plans.covers(plan, data):
            return False
        if not (plan.same_lists(data) and self._follow(plan, data)):
            self._list.listed = False
            return False
        changed = [span for span in plan.spans if span.thread in self._changed]
        if any(span.thread.chain.unpredicted for span in changed):
            return False
        known = self._are_known()
        if not known and not (self._is_whole(plan, changed, data) and self._begin_credibly(holders)):
            return False
        self._refresh_codes(plan.generations(data))
        if known:
            if not self._are_known():
                return False
        elif self._stands_still(plan, changed, data):
            self._proved = [span.thread for span in changed]
        else:
            return False
        if not self._list.are_the_same(self._changed):
            return False
        self._believe(plan, data, holders)
        if self.while_standing is not None:
            self.while_standing(holders)
        return True

    def _are_known(self) -> bool:
        return all(self._known.knows(thread) for thread in self._changed)

    def _is_whole(self, plan: Plan, changed: list[Span[TrackedThread]], data: bytes) -> bool:
        """True where ``data`` has all frames of these threads, and, as far as the plan tells, none came or went."""
        tails = self._stopper is None
        return not any(
            span.thread.chain.unpredicted or (tails and not plan.tail_agrees(data, span)) for span in changed
        )

    def _stands_still(self, plan: Plan, changed: list[Span[TrackedThread]], data: bytes) -> bool:
        """True where further looks show the same stacks of these threads as ``data``."""
        tails = self._stopper is None
        for _ in range(LOOKS - 1):
            again = plan.copy()
            if again == data:
                continue
            for span in changed:
                if not span.thread.chain.same_links(again[span.start : span.end]):
                    return False
                if tails and not plan.tail_agrees(again, span):
                    return False
        return True

    def _begin_credibly(self, holders: tuple[int, ...]) -> bool:
        """False where a stack begins elsewhere than it did, and may be one that never was."""
        credible = True
        for thread in self._changed:
            on_the_move = thread.state.address in holders
            if not thread.root.is_credible(thread.chain, self._runtime.layout.frame, on_the_move=on_the_move):
                credible = False
        return credible

    def _believe(self, plan: Plan, data: bytes, holders: tuple[int, ...]) -> None:
        had = self._states.holders
        self._states.believed(plan, data, holders)
        for address in had:
            # These were not asked about, and nobody has stopped them now.
            thread = self._list.by_address.get(address)
            if thread is not None and address not in holders:
                self._activity.ask(thread, self._now_ns)
        if self._plans.has_all(plan):
            self._noted = self.threads
        else:
            concerned = map(self._list.by_address.get, {*had, *holders, *plan.of})
            threads = [thread for thread in concerned if thread is not None]
            self._noted = [*dict.fromkeys([*threads, *self._activity.asked])]
        codes = plan.spans[0].thread.chain.codes if len(plan.spans) == 1 else []
        leaf = self._codes.codes.get(codes[-1]) if codes else None
        self._plans.believed(plan, data, self._now_ns, b"" if leaf is None else leaf.copied)

    def _follow(self, plan: Plan, data: bytes) -> bool:
        """Bring the chains up to ``data``; False where a list of threads is no longer what it was."""
        if data == plan.last and plan.last_followed == self._followed:
            return True
        changed = self._changed
        next_offset, own_id = self._runtime.layout.thread_state.next, self._own_id
        for thread, start, end in plan.spans:
            region = data[start:end]
            chain = thread.chain
            if region == chain.region and not chain.stepped:
                continue
            if word(region, next_offset) != thread.next or region[own_id] != thread.own_id:
                # The list has changed, or a thread that was just being born has learnt its id.
                return False
            changed[thread] = None
            self._followed += 1
            try:
                chain.update(region)
            finally:
                # What is left of the nodes is true of the frames that were left alone.
                del thread.nodes[chain.changed_from :]
                self._plans.replan = self._plans.replan or chain.stale
        plan.last, plan.last_followed = data, self._followed
        return True

    def _refresh_codes(self, generations: bytes) -> None:
        """Read the code objects of frames that are new, before the threads that run them go on."""
        codes = self._codes.codes
        wanted: set[int] = set()
        suspect_all = not generations and self._samples % _REVALIDATE_EVERY == 0
        if generations != self._generations:
            self._generations = generations
            suspect_all = True
        if suspect_all:
            for thread in self.threads:
                wanted.update(thread.chain.codes)
            if generations or len(codes) > _MAX_CODES:
                self._codes.keep_only(wanted)
        else:
            for thread in self._changed:
                wanted.update(thread.chain.codes[len(thread.nodes) :])
            if generations:
                # 3.14+: while the counter stands still, no code object was freed.
                wanted = {code for code in wanted if code not in codes}
        wanted.discard(0)
        if self._codes.refresh(wanted):
            for thread in self.threads:
                thread.nodes.clear()
                self._changed[thread] = None

    def _settle(self) -> None:
        """Name the stacks of the threads that changed, and take down everyone's state."""
        self._samples += 1
        children, frame_id = self._interner.children, self._codes.frame_id
        codes_by_address = self._codes.codes
        news = self.news = []
        for thread in self._changed:
            if thread.quiet:
                self._activity.wake(thread)
            chain, nodes = thread.chain, thread.nodes
            done = len(nodes)
            node = nodes[-1] if nodes else ROOT
            for code, instruction in zip(chain.codes[done:], chain.instructions[done:], strict=True):
                if code:
                    frame = codes_by_address[code].frame_ids.get(instruction)
                    if frame is None:
                        frame = frame_id(code, instruction)
                    if frame >= 0:
                        node = children.get(node << 32 | frame) or self._interner.node(node, frame)
                nodes.append(node)
            self._states.followed(thread)
            if thread.node != node:
                thread.node = node
                news.append(thread)
        for thread in self._proved:
            self._known.proved(thread)
        self.news += self._states.note(self._noted, self.threads)
        self._changed.clear()

    def _has_finalizer(self, thread: TrackedThread) -> bool:
        return any(frame.key.name == "__del__" for frame in self.frames(thread))

    def _give_up_stopping(self, reason: str) -> None:
        self.notice = f"threads of the target cannot be stopped ({reason}): sampling goes on without stopping them"
        assert self._stopper is not None
        self._stopper.close()
        self._stopper = None
        self._plans.clear()

    def _refresh_threads(self) -> bool:
        """List the threads anew; False where that did not succeed."""
        if not self._list.refresh():
            return False
        self._activity.follow(self.threads)
        self._generations = b""
        self._plans.start_anew()
        return True
