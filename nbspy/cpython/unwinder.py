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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from nbspy.cpython.activity_watch import ActivityWatch
from nbspy.cpython.attached import AttachedWords
from nbspy.cpython.code_object import CodeCache, SourceNames
from nbspy.cpython.copy_plan import CopyPlan, Span
from nbspy.cpython.frame_struct import frame_struct
from nbspy.cpython.gil import GilWords
from nbspy.cpython.gil_turns import GilTurns
from nbspy.cpython.interner import ROOT, FrameKey, Interner
from nbspy.cpython.known_stacks import KnownStacks
from nbspy.cpython.line_table import Entry
from nbspy.cpython.rare_states import RareStates, RareWords, ThreadWords
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_list import ThreadList, TrackedThread
from nbspy.cpython.thread_state import word
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.process import StopOutcome, Target
from nbspy.wire import State

ATTEMPTS: Final = 16
LOOKS: Final = 3
FULL_EVERY_NS: Final = 500_000_000
"""Every thread is copied this often, also where it cannot have moved."""
_PATIENT_ATTEMPTS: Final = 4
"""Attempts that let the target run on to learn where new threads lie; later ones do it while it stands."""
_REVALIDATE_EVERY: Final = 32
"""Samples between two looks at every code object on the stacks (before 3.14, which counts freed code objects)."""
_MAX_CODES: Final = 50_000
_MAX_PLANS: Final = 1024
_HOLDS: Final = int(State.ACTIVE | State.GIL)
_WAITS: Final = int(State.GIL_WAIT)
_ACTIVE: Final = int(State.ACTIVE)
_NO: Final = b"\0\0\0\0"


@dataclass(frozen=True, slots=True)
class ObservedFrame:
    """A frame of one observation."""

    key: FrameKey
    is_entry: bool
    """The C evaluation loop was entered for it."""
    is_shim_entry: bool
    """A shim lies directly below it."""
    address: int
    code: int
    """Address of its code object."""
    instruction: int


class _Standing(NamedTuple):
    """What was seen while threads stood: a copy, or b"" where a glance told all."""

    plan: CopyPlan[TrackedThread]
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
        self._plans: dict[frozenset[int], CopyPlan[TrackedThread]] = {}
        """By the thread states that may have moved; the empty set stands for all."""
        self._plan: CopyPlan[TrackedThread] | None = None
        """The one of the last sample."""
        self._replan = False
        """True where a chain wants other ranges."""
        self._turn = b""
        """Whose turn it was when all threads were last as :attr:`threads` has them; b"" for not known."""
        self._now_ns = 0
        self._full_ns = 0
        """Monotonic times of this sample, and of the last one that looked at every thread."""
        self._samples = 0
        self._followed = 0
        """How often a chain was followed, or went on at a glance."""
        self._generations = b""
        self._holders: tuple[int, ...] = ()
        self._gil: GilWords | AttachedWords | None = None
        self._thread_words = ThreadWords(target.memory, runtime.layout)
        self._rare_states: RareStates[TrackedThread] = RareStates(self._has_finalizer)
        self._rare: tuple[RareWords, bytes] | None = None
        """The words of the last sample."""
        self._was_quiet = False
        """True where they told of nothing."""
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
        self._activity.look(self._now_ns, self._holders)
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
        chain = thread.chain
        fields = self._runtime.layout.frame
        found: list[ObservedFrame] = []
        for index in range(len(chain.codes) - 1, -1, -1):
            code = self._codes.codes.get(chain.codes[index])
            if code is None or code.is_trampoline:
                continue
            key = self._codes.frame_key(code, chain.instructions[index])
            above_shim = index > 0 and chain.codes[index - 1] == 0
            # Before 3.11 C code calls each Python function.
            is_entry = above_shim or index == 0 or fields.owner is None
            if fields.is_entry is not None:
                is_entry = chain.byte_at(index, fields.is_entry) != 0
            address, instruction = chain.addresses[index], chain.instructions[index]
            found.append(ObservedFrame(key, is_entry, above_shim, address, code.address, instruction))
        return found

    def positions(self, code: int, instruction: int) -> Entry | None:
        """Return lines and columns of what a frame runs; None where they are not known, as before 3.11."""
        return self._codes.positions(code, instruction)

    def _observe(self, patient: bool) -> bool:
        """Take one copy and follow what changed; False where it was not of one instant."""
        self._proved = []
        plan = self._likely_plan()
        if self._stopper is None:
            return self._observe_running(plan, held=True)
        if not self._holders and self._plan is plan:
            # Nobody held a GIL the last time: where the copy says the same again, nobody has to be asked for.
            plan.read()
            if self._goes_on(plan):
                return True
        holders, turn = plan.look()
        plan = self._plan_since(turn) or plan
        if not holders:
            return self._observe_running(plan, held=False)
        return self._observe_stopped(plan, holders, patient)

    def _likely_plan(self) -> CopyPlan[TrackedThread]:
        """Return the plan of the last sample while that is of use, else that of all threads."""
        if self._replan:
            self._plan_chains()
        moving = self._moving()
        if self._now_ns - self._full_ns >= FULL_EVERY_NS:
            self._plan = self._ready_plan()
        elif self._plan is None or not self._plan.of.issuperset(moving):
            moved = GilTurns.moved(self._turn, self._turn)
            self._plan = self._ready_plan(moved if moved and moved.issuperset(moving) else frozenset())
        return self._plan

    def _moving(self) -> list[int]:
        """Return the thread states whose frames were followed in a copy that was not believed."""
        return [thread.state.address for thread in self._changed]

    def _plan_since(self, turn: bytes) -> CopyPlan[TrackedThread] | None:
        """Return the plan of those that can have moved since the last sample, by whose turn it is; None for all."""
        if self._now_ns - self._full_ns >= FULL_EVERY_NS:
            return None
        moved = GilTurns.moved(self._turn, turn)
        if not moved or not moved.issuperset(self._moving()):
            return self._ready_plan()
        return self._ready_plan(moved)

    def _plan_chains(self) -> None:
        """Choose other ranges for the chains that want them, and forget the plans that have them."""
        self._replan = False
        stale = {thread.state.address for thread in self.threads if thread.chain.stale}
        for thread in self.threads:
            if thread.chain.stale:
                thread.chain.plan()
        for key in [key for key in self._plans if not key or not key.isdisjoint(stale)]:
            del self._plans[key]
        if self._plan is not None and not self._plan.of.isdisjoint(stale):
            self._plan = None

    def _ready_plan(self, moved: frozenset[int] = frozenset()) -> CopyPlan[TrackedThread]:
        """Return the plan to copy the threads that may have ``moved`` (none named: all)."""
        if len(self.threads) == 1:
            moved = frozenset()
        plan = self._plans.get(moved)
        if plan is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            threads = [thread for thread in self.threads if not moved or thread.state.address in moved]
            plan = self._plans[moved] = CopyPlan(
                self._target.memory,
                self._runtime,
                self._list.interpreters,
                threads,
                tails=self._stopper is None,
                unpack=self._unpack,
                code_identity=self._codes.identity_range,
            )
        return plan

    def _goes_on(self, plan: CopyPlan[TrackedThread]) -> bool:
        """True where the copy just taken shows nothing new but, perhaps, another instruction of one leaf."""
        if self._changed or plan is not self._plan:
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
            self.while_standing(self._holders)
        return True

    def _observe_stopped(self, plan: CopyPlan[TrackedThread], holders: tuple[int, ...], patient: bool) -> bool:
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

    def _copy_standing(
        self, plan: CopyPlan[TrackedThread], holders: tuple[int, ...], patient: bool
    ) -> _Standing | None:
        """Copy and follow while the holders stand; None where they are no longer the holders."""
        plan.read()
        if holders == self._holders and self._goes_on(plan):
            return _Standing(plan, b"")
        data = bytes(plan.buffer)
        if not plan.stood(data, holders) or not self._covers(plan, data):
            return None
        if not (plan.same_lists(data) and self._follow(plan, data)):
            self._list.listed = False
            if patient or not self._refresh_threads():
                return None
            self._plan_chains()
            plan = self._ready_plan()
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

    def _observe_running(self, plan: CopyPlan[TrackedThread], held: bool) -> bool:
        """Observe without stopping: believe what is known to exist, and else what several looks agree on.

        ``held``: although the GIL may be held.
        """
        plan.read()
        if held and self._stopper is None and self._goes_on(plan):
            return True
        data = bytes(plan.buffer)
        if not self._covers(plan, data):
            plan = self._plan_since(plan.turn(data)) or self._ready_plan()
            data = plan.copy()
        holders = plan.gil.holders(data)
        if (holders and not held) or not self._covers(plan, data):
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

    def _is_whole(self, plan: CopyPlan[TrackedThread], changed: list[Span[TrackedThread]], data: bytes) -> bool:
        """True where ``data`` has all frames of these threads, and, as far as the plan tells, none came or went."""
        tails = self._stopper is None
        return not any(
            span.thread.chain.unpredicted or (tails and not plan.tail_agrees(data, span)) for span in changed
        )

    def _stands_still(self, plan: CopyPlan[TrackedThread], changed: list[Span[TrackedThread]], data: bytes) -> bool:
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

    def _covers(self, plan: CopyPlan[TrackedThread], data: bytes) -> bool:
        """True where no thread that ``plan`` leaves out has had its turn since all were last seen."""
        if len(plan.spans) == len(self.threads):
            return True
        moved = GilTurns.moved(self._turn, plan.turn(data))
        # One that has ended since is in no list.
        return moved is not None and all(one in plan.of or one not in self._list.by_address for one in moved)

    def _believe(self, plan: CopyPlan[TrackedThread], data: bytes, holders: tuple[int, ...]) -> None:
        was_holding, self._holders = self._holders, holders
        self._gil = plan.gil
        self._rare = plan.rare, plan.rare_words(data)
        self._turn = plan.turn(data)
        if len(plan.spans) == len(self.threads):
            self._full_ns = self._now_ns
        for address in was_holding:
            # These were not asked about, and nobody has stopped them now.
            thread = self._list.by_address.get(address)
            if thread is not None and address not in holders:
                self._activity.ask(thread, self._now_ns)
        if len(plan.spans) == len(self.threads):
            self._noted = self.threads
        else:
            had_or_have = {*was_holding, *holders, *plan.of}
            threads = [thread for one in had_or_have if (thread := self._list.by_address.get(one)) is not None]
            self._noted = [*dict.fromkeys([*threads, *self._activity.asked])]
        self._plan = self._next_plan(plan, data)

    def _next_plan(self, plan: CopyPlan[TrackedThread], data: bytes) -> CopyPlan[TrackedThread]:
        """Return the plan that will do if nothing happens until the next sample, and prepare it for a glance."""
        turn = GilTurns.moved(self._turn, self._turn)
        likely = self._ready_plan(turn) if turn else plan
        if len(plan.spans) == 1:
            codes = plan.spans[0].thread.chain.codes
            code = self._codes.codes.get(codes[-1]) if codes else None
            plan.remember(data, code.copied if code is not None else b"")
        if likely is not plan:
            likely.forget()
        return likely

    def _follow(self, plan: CopyPlan[TrackedThread], data: bytes) -> bool:
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
                self._replan = self._replan or chain.stale
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
            if chain.region:
                thread.beside = self._thread_words.bits(chain.region)
            if thread.node != node:
                thread.node = node
                news.append(thread)
        for thread in self._proved:
            self._known.proved(thread)
        self._note_states()
        self._changed.clear()

    def _note_states(self) -> None:
        rare = self._rare
        assert rare is not None
        words, data = rare
        quiet = data == words.quiet
        noted = self._noted if quiet and self._was_quiet else self.threads
        before = [thread.bits for thread in noted]
        for thread in noted:
            thread.bits = self._bits(thread) | thread.beside
        if not quiet or not self._was_quiet:
            # Without a GIL more than one thread may run Python: one that is attached need not be the one that collects.
            self._rare_states.mark(words, data, noted, () if self._free_threaded else self._holders)
        self._was_quiet = quiet
        self.news += [thread for thread, bits in zip(noted, before, strict=True) if thread.bits != bits]

    def _has_finalizer(self, thread: TrackedThread) -> bool:
        return any(frame.key.name == "__del__" for frame in self.frames(thread))

    def _bits(self, thread: TrackedThread) -> int:
        """Return the main state of ``thread``.

        What this, or ThreadWords, reads of its region must be among :attr:`FrameChain.deciding_words`.
        """
        if thread.state.address in self._holders:
            return _ACTIVE if self._free_threaded else _HOLDS
        requested = self._runtime.layout.thread_state.gil_requested
        if requested is not None and thread.chain.region[requested : requested + 4] != _NO:
            # 3.15 says it itself, at the instant of the copy.
            return _WAITS
        if thread.running:
            return _ACTIVE
        if thread.waits_for and self._gil is not None and self._gil.is_waited_for(thread.waits_for):
            return _WAITS
        return 0

    def _give_up_stopping(self, reason: str) -> None:
        self.notice = f"threads of the target cannot be stopped ({reason}): sampling goes on without stopping them"
        assert self._stopper is not None
        self._stopper.close()
        self._stopper = None
        self._plans.clear()
        self._plan = None

    def _refresh_threads(self) -> bool:
        """List the threads anew; False where that did not succeed."""
        if not self._list.refresh():
            return False
        self._activity.follow(self.threads)
        self._generations = b""
        self._plans.clear()
        self._plan = None
        self._replan = True
        self._turn = b""
        return True
