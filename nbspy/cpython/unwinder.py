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
from nbspy.cpython.glance import UNKNOWN, Glance
from nbspy.cpython.interner import ROOT, Interner
from nbspy.cpython.known_stacks import PROOFS, KnownStacks
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
_LOOKS_AGAIN: Final = 4
"""A copy that may be torn is taken again so often before a thread is stopped: it costs a tenth of that."""
_LOOKS_FOR_NEW: Final = 48
"""The same where nothing is stopped."""
_BUDGET_NS: Final = 3_000_000
"""No more attempts are begun after this time, but for the first few."""
_ATTEMPTS_ON_THE_MOVE: Final = 2
"""Attempts after those."""


class _Standing(NamedTuple):
    """What was seen while threads stood."""

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
        self._known = KnownStacks(interner, self._codes, layout.frame)
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
        """How often a chain was followed, or left behind at a glance."""
        self._generations = b""
        self._proved: list[TrackedThread] = []
        """Threads on whose stacks several looks have agreed in this sample."""
        self._seen_standing: list[TrackedThread] = []
        """Threads that could not move while their stacks were copied in this sample."""
        self._noted: list[TrackedThread] = []
        """The threads whose state may have changed in this sample."""
        self._believed: tuple[Plan, bytes]
        """The copy that was believed last."""
        self._ahead: Plan | None = None
        """The plan by whose copy the last sample was told at a glance: the chain of its thread has not followed."""
        self._agreed = b""
        """A copy of a stack that is not known, on which looks have agreed; b"" where there is none."""
        self._attempts = ATTEMPTS
        """How many may be made to take this sample."""
        self._swift: Plan | None = None
        """The plan whose copy may tell all of the next sample at a glance."""
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
        now = self._now_ns = time.monotonic_ns()
        self._ahead = None
        self._agreed = b""
        if not self._list.listed and not self._refresh_threads():
            self.discarded += 1
            return False
        # Before anything is stopped: a stop would make sleepers look busy.
        activity = self._activity
        activity.look(now, self._states.holders)
        if activity.one_is_gone and not self._list.native_ids_are_theirs and not self._refresh_threads():
            # Another may have taken its place (see ThreadList.are_the_same).
            self.discarded += 1
            return False
        return self._observe_at_a_glance(now) or self._observe_well()

    def _observe_at_a_glance(self, now_ns: int) -> bool:
        """Take the common case: a known stack, and nothing else that is new. Hot path."""
        plan = self._swift
        if plan is None or now_ns >= self._plans.full_due_ns:
            return False
        self._swift = None
        thread, glance = plan.spans[0].thread, plan.glance
        assert glance is not None
        try:
            plan.read()
            node = glance.node(plan.buffer)
            if node == UNKNOWN:
                node = self._look_again(plan, glance)
            if node < 0 or not self._list.are_the_same((thread,)):
                return False
        except MemoryFault:
            # What is no longer there will be missed again.
            return False
        self._tell(thread, node, plan)
        return True

    def _look_again(self, plan: Plan, glance: Glance) -> int:
        """Return the node that another copy shows, where the last one showed a stack that is not known or is torn.

        Where nothing may be stopped a stack that several looks in a row show is new, and :attr:`_agreed` has it.
        """
        before, same = glance.unknown, 1
        for _ in range(_LOOKS_AGAIN if self._stopper is not None else _LOOKS_FOR_NEW):
            plan.read()
            node = glance.node(plan.buffer)
            if node != UNKNOWN:
                return node
            same = same + 1 if before is not None and glance.unknown == before else 1
            before = glance.unknown
            if same == LOOKS and self._stopper is None:
                self._agreed = bytes(plan.buffer)
                return UNKNOWN
        self._attempts = _ATTEMPTS_ON_THE_MOVE
        return UNKNOWN

    def _observe_well(self) -> bool:
        attempts, self._attempts = self._attempts, ATTEMPTS
        for attempt in range(attempts):
            if attempt:
                if attempt >= _PATIENT_ATTEMPTS and time.monotonic_ns() - self._now_ns > _BUDGET_NS:
                    break
                self.retried += 1
            self._codes.fresh.clear()
            try:
                if self._observe(patient=attempt < _PATIENT_ATTEMPTS):
                    self._settle()
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
        self._catch_up()
        return observed_frames(thread.chain, self._codes, self._runtime.layout.frame)

    def positions(self, code: int, instruction: int) -> Entry | None:
        """Return lines and columns of what a frame runs; None where they are not known, as before 3.11."""
        return self._codes.positions(code, instruction)

    def _observe(self, patient: bool) -> bool:
        """Take one copy and follow what changed; False where it was not of one instant."""
        self._proved = []
        self._seen_standing = []
        plan = self._plans.likely(self._now_ns, self._moving())
        if self._stopper is None:
            agreed, self._agreed = self._agreed, b""
            return self._observe_running(plan, agreed or plan.copy(), held=True, agreed=bool(agreed))
        if self.while_standing is not None:
            holders, turn = plan.look()
        else:
            data = plan.copy()
            holders, turn = plan.gil.holders(data), plan.turns.turn(data)
            if self._recognises(plan, data):
                return True
            plan = self._plans.likely(self._now_ns, self._moving())
        plan = self._plans.since(turn, self._now_ns, self._moving()) or plan
        if not holders:
            return self._observe_running(plan, plan.copy(), held=False)
        return self._observe_stopped(plan, holders, patient)

    def _moving(self) -> list[int]:
        """Return the thread states whose frames were followed in a copy that was not believed."""
        return [thread.state.address for thread in self._changed]

    def _make_plan(self, threads: Sequence[TrackedThread]) -> Plan:
        plan: Plan = CopyPlan(
            self._target.memory,
            self._runtime,
            self._list.interpreters,
            threads,
            tails=self._stopper is None,
            code_identity=self._codes.identity_range,
        )
        if len(threads) == 1:
            [(thread, start, end)] = plan.spans
            behind = plan.identities_start, plan.threads_end, plan.size
            tail = end if self._stopper is None else 0
            plan.glance = Glance(
                thread.chain, self._known, self._codes, self._interner, self._unpack, start, behind, tail
            )
        return plan

    def _tell(self, thread: TrackedThread, node: int, plan: Plan) -> None:
        """Take a sample in which nothing is new but, perhaps, the leaf node of one thread; ``plan`` has its copy."""
        samples = self._samples = self._samples + 1
        self._ahead = plan
        if plan.counts_codes or samples % _REVALIDATE_EVERY:
            self._swift = plan
        if not thread.ahead_of_chain:
            thread.ahead_of_chain = True
            self._followed += 1
        news = []
        if node != thread.node:
            thread.node = node
            news.append(thread)
            if thread.quiet:
                self._activity.wake(thread)
        # All that is told of threads that were not asked about was seen to be the same.
        asked = self._activity.asked
        self.news = list(dict.fromkeys([*news, *self._states.note(asked, self.threads)])) if asked else news

    def _observe_stopped(self, plan: Plan, holders: tuple[int, ...], patient: bool) -> bool:
        stopper = self._stopper
        assert stopper is not None
        threads = list(dict.fromkeys(map(self._list.host_id, holders)))
        if 0 in threads:
            # The system's id of a holder is not known.
            return self._observe_running(plan, plan.copy(), held=True)
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
            self._believe(seen.plan, seen.data, holders)
            self._seen_standing = list(self._changed)
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
        return self._observe_running(plan, plan.copy(), held=True)

    def _copy_standing(self, plan: Plan, holders: tuple[int, ...], patient: bool) -> _Standing | None:
        """Copy and follow while the holders stand; None where they are no longer the holders."""
        data = plan.copy()
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
            if moved and not self._is_whole(plan, moved, data):
                return None
            if moved and not self._stands_still(plan, moved, data, [plan.copy() for _ in range(LOOKS - 1)]):
                return None
        if not self._begin_credibly(holders) or not self._list.are_the_same(self._changed):
            return None
        self._refresh_codes(plan.generations(data))
        if self.while_standing is not None:
            self.while_standing(holders)
        return _Standing(plan, data)

    def _recognises(self, plan: Plan, data: bytes) -> bool:
        """Believe ``data`` without stopping anyone where it shows nothing but stacks that were seen standing."""
        if not self._plans.covers(plan, data):
            other = self._plans.since(plan.turn(data), self._now_ns, self._moving())
            if other is None:
                return False
            plan, data = other, other.copy()
            if not self._plans.covers(plan, data):
                return False
        generations = plan.generations(data)
        if generations != self._generations or (not generations and self._samples % _REVALIDATE_EVERY == 0):
            # Code objects are looked at again: better while they cannot change.
            return False
        try:
            if not (plan.same_lists(data) and self._follow(plan, data)):
                return False
        except (MemoryFault, CorruptTarget):
            return False
        if any(thread.chain.unpredicted for thread in self._changed) or not self._are_known():
            return False
        self._refresh_codes(generations)
        if not (self._are_known() and self._list.are_the_same(self._changed)):
            return False
        self._believe(plan, data, plan.gil.holders(data))
        return True

    def _observe_running(self, plan: Plan, data: bytes, *, held: bool, agreed: bool = False) -> bool:
        """Observe without stopping: believe what is known to exist, and else what several looks agree on.

        ``data`` is a copy of ``plan``, on which looks may have ``agreed`` already; ``held``: although the GIL may be
        held.
        """
        if not self._plans.covers(plan, data):
            plan = self._plans.since(plan.turn(data), self._now_ns, self._moving()) or self._plans.ready()
            data = plan.copy()
        # At once, before anything is made of the first: the longer between looks, the seldomer they agree.
        fresh = self._changed or any(data[start:end] != thread.chain.region for thread, start, end in plan.spans)
        further = [plan.copy() for _ in range(LOOKS - 1)] if fresh and not agreed else []
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
        if self._codes.fresh:
            # The frames must still be there, so that what was read as their code objects is.
            further.append(plan.copy())
        if known:
            if not self._are_known():
                return False
        elif self._stands_still(plan, changed, data, further):
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

    def _stands_still(self, plan: Plan, changed: list[Span[TrackedThread]], data: bytes, further: list[bytes]) -> bool:
        """True where ``further`` copies show the same stacks of these threads as ``data``."""
        tails = self._stopper is None
        for again in further:
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
        self._believed = plan, data

    def _follow(self, plan: Plan, data: bytes) -> bool:
        """Bring the chains up to ``data``; False where a list of threads is no longer what it was."""
        if data == plan.last and plan.last_followed == self._followed:
            return True
        changed = self._changed
        next_offset, own_id = self._runtime.layout.thread_state.next, self._own_id
        for thread, start, end in plan.spans:
            region = data[start:end]
            chain = thread.chain
            if region == chain.region:
                glance = plan.glance
                if thread.ahead_of_chain or (glance is not None and glance.codes_differ(data)):
                    # The stack is what it was, but not what was told last; or of other codes: they are looked at again.
                    thread.ahead_of_chain = False
                    changed[thread] = None
                    if glance is not None:
                        del thread.nodes[glance.bottom :]
                continue
            if word(region, next_offset) != thread.next or region[own_id] != thread.own_id:
                # The list has changed, or a thread that was just being born has learnt its id.
                return False
            changed[thread] = None
            thread.ahead_of_chain = False
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
            self._known.forget_codes()
            suspect_all = True
        if suspect_all:
            for thread in self.threads:
                wanted.update(thread.chain.codes)
            if generations or len(codes) > _MAX_CODES:
                self._known.forget_codes()
                self._codes.keep_only(wanted)
        else:
            for thread in self._changed:
                wanted.update(thread.chain.codes[len(thread.nodes) :])
            if generations:
                # 3.14+: while the counter stands still, no code object was freed.
                wanted = {code for code in wanted if code not in codes}
        wanted.discard(0)
        if self._codes.refresh(wanted):
            self._known.forget_codes()
            for thread in self.threads:
                thread.nodes.clear()
                self._changed[thread] = None

    def _settle(self) -> None:
        """Name the stacks of the threads that changed, and take down everyone's state."""
        self._samples += 1
        news = self.news = []
        for thread in self._changed:
            if thread.quiet:
                self._activity.wake(thread)
            node = self._name(thread)
            self._states.followed(thread)
            if thread.node != node:
                thread.node = node
                news.append(thread)
        for thread in self._proved:
            self._known.proved(thread)
        for thread in self._seen_standing:
            self._known.proved(thread, PROOFS)
        self.news += self._states.note(self._noted, self.threads)
        self._changed.clear()
        self._swift = None
        plan, data = self._believed
        self._plans.believed(plan, data, self._now_ns)
        if plan.glance is not None:
            self._remember(plan, plan.glance, data)

    def _remember(self, plan: Plan, glance: Glance, data: bytes) -> None:
        """Let the next copies of ``plan`` be told at a glance where they show what ``data`` did, or a stack like it."""
        thread = plan.spans[0].thread
        if thread.chain.stale or plan.rare_words(data) != plan.rare.quiet:
            glance.forget()
            return
        codes = self._codes.codes
        glance.remember(data, thread.nodes, lambda wanted: plan.trust(wanted, lambda code: codes[code].copied))
        if plan is self._plans.current and self.while_standing is None:
            self._swift = plan

    def _catch_up(self) -> None:
        """Bring the chain up to the copy that was told at a glance."""
        if self._ahead is not None:
            plan, self._ahead = self._ahead, None
            self._follow(plan, bytes(plan.buffer))
            for thread in self._changed:
                self._name(thread)
            self._changed.clear()

    def _name(self, thread: TrackedThread) -> int:
        """Give every frame of a thread its node; returns the leaf's."""
        children, frame_id = self._interner.children, self._codes.frame_id
        codes_by_address = self._codes.codes
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
        return node

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
