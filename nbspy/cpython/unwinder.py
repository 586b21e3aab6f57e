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
from dataclasses import dataclass, field, replace
from typing import Final

from nbspy.cpython.attached import AttachedWords
from nbspy.cpython.code_object import CodeCache, SourceNames
from nbspy.cpython.copy_plan import CopyPlan, Span
from nbspy.cpython.frame_chain import FrameChain
from nbspy.cpython.frame_struct import frame_struct
from nbspy.cpython.gil import GilWords
from nbspy.cpython.gil_turns import GilTurns
from nbspy.cpython.interner import ROOT, FrameKey, Interner
from nbspy.cpython.pthreads import PthreadIds
from nbspy.cpython.rare_states import RareStates, RareWords, ThreadWords
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.stack_root import StackRoot
from nbspy.cpython.thread_state import Interpreter, ThreadState, read_interpreters, word
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.process import Activity, StopOutcome, Target
from nbspy.wire import State

ATTEMPTS: Final = 16
LOOKS: Final = 3
QUIET_NS: Final = 10_000_000
"""A waiting thread whose frames stand still is asked about this often: 150 of them would cost 0.7 ms a sample."""
FULL_EVERY_NS: Final = 500_000_000
"""Every thread is copied this often, also where it cannot have moved."""
_PATIENT_ATTEMPTS: Final = 4
"""Attempts that let the target run on to learn where new threads lie; later ones do it while it stands."""
_REVALIDATE_EVERY: Final = 32
"""Samples between two looks at every code object on the stacks (before 3.14, which counts freed code objects)."""
_MAX_CODES: Final = 50_000
_HOLDS: Final = int(State.ACTIVE | State.GIL)
_WAITS: Final = int(State.GIL_WAIT)
_ACTIVE: Final = int(State.ACTIVE)
_NO: Final = b"\0\0\0\0"


@dataclass(slots=True, eq=False)
class TrackedThread:
    """A thread of the target, with what the last sample said of it."""

    state: ThreadState
    interpreter: Interpreter
    chain: FrameChain
    host_id: int
    """OS id by which this system knows it; differs from ``state.native_thread_id`` across pid namespaces."""
    node: int = ROOT
    """Leaf node of its stack."""
    bits: int = 0
    """:class:`nbspy.wire.State` at the last sample."""
    running: bool = False
    waits_for: int = 0
    """Address of the lock it waits for, by the system's word."""
    quiet: bool = False
    """It waited when it was asked about, and has not moved since."""
    asked_ns: int = 0
    """Monotonic time when the system was last asked about it."""
    nodes: list[int] = field(default_factory=list)
    """Node of each frame of ``chain``, root first."""
    next: int = 0
    """Address of the next thread state in the interpreter's list."""
    own_id: bytes = b""
    """``state.native_thread_id`` as it stands in the thread state; before 3.11 ``state.thread_id``."""
    root: StackRoot = field(default_factory=StackRoot)
    beside: int = 0
    """Of :attr:`bits` those that the thread state itself tells."""


@dataclass(frozen=True, slots=True)
class ObservedFrame:
    """A frame of one observation."""

    key: FrameKey
    is_entry: bool
    """The C evaluation loop was entered for it."""
    is_shim_entry: bool
    """A shim lies directly below it."""
    address: int


class Unwinder:
    """Observes one target. Not thread-safe: stopping is bound to the thread that first samples."""

    def __init__(
        self, target: Target, runtime: Runtime, names: SourceNames, interner: Interner, *, blocking: bool = True
    ) -> None:
        self._target = target
        self._runtime = runtime
        self._interner = interner
        self._free_threaded = runtime.layout.free_threaded
        """All that is said of threads that hold a GIL is then said of attached ones: each may change its frames."""
        self._unpack = frame_struct(runtime.layout.frame)
        fields = runtime.layout.thread_state
        # Before 3.11 the system's id is not in the thread state; Python's own is set at the same time.
        self._pthreads = PthreadIds(target) if fields.native_thread_id is None else None
        own_id = fields.thread_id if fields.native_thread_id is None else fields.native_thread_id
        self._own_id = slice(own_id, own_id + runtime.layout.long_size)
        self._stopper = target.stopper() if blocking else None
        self._codes = CodeCache(target.memory, runtime.layout, interner, names)
        self._plans: dict[frozenset[int], CopyPlan[TrackedThread]] = {}
        """By the thread states that may have moved; the empty set stands for all."""
        self._turn = b""
        """Whose turn it was when all threads were last as :attr:`threads` has them; b"" for not known."""
        self._full_ns = 0
        """Monotonic time of the last sample that looked at every thread."""
        self._changed: dict[TrackedThread, None] = {}
        """Threads whose frames moved since the last sample that was believed."""
        self._samples = 0
        self._generations = b""
        self._holders: tuple[int, ...] = ()
        self._gil: GilWords | AttachedWords | None = None
        self._thread_words = ThreadWords(target.memory, runtime.layout)
        self._rare_states: RareStates[TrackedThread] = RareStates(self._has_finalizer)
        self._rare: tuple[RareWords, bytes] | None = None
        """The words of the last sample."""
        self._listed = False
        """True while the list of threads is believed to be the target's."""
        self.interpreters: list[Interpreter] = []
        self.threads: list[TrackedThread] = []
        """The threads of the last sample, main interpreter first, oldest first."""
        self.threads_version = 0
        """Grows when :attr:`threads` becomes another list."""
        self.retried = 0
        self.discarded = 0
        self.notice = ""
        """Why stopping was given up; "" while it was not."""
        self.stop_times_ns: list[int] = []
        """How long threads were kept standing, since the caller last emptied it."""
        self.while_standing: Callable[[tuple[int, ...]], None] | None = None
        """Called with the thread states that hold a GIL when a sample is believed: while they stand, if they do."""
        self.failure: Exception | None = None
        """Why the threads could not be listed the last time."""

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
        if not self._listed and not self._refresh_threads():
            self.discarded += 1
            return False
        self._ask_activity()
        if not self._listed and not self._refresh_threads():
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
                self._forget_chains()
            except CorruptTarget:
                self._listed = False
            if self._codes.loads != loads:
                # What a copy that is not believed pointed to need not be a code object, or not yet.
                self._generations = b""
            if not self._listed and not self._refresh_threads():
                break
        self.discarded += 1
        return False

    def _ask_activity(self) -> None:
        """Ask the system what the threads do, before anything is stopped: a stop would make sleepers look busy.

        A thread that waited the last time and has not moved since is asked about only now and then.
        """
        activity = self._target.activity
        now = time.monotonic_ns()
        for thread in self.threads:
            if not thread.quiet or now - thread.asked_ns >= QUIET_NS:
                thread.asked_ns = now
                doing, thread.waits_for = activity(thread.host_id)
                thread.running = doing is Activity.RUNNING
                thread.quiet = not thread.running
                if doing is Activity.GONE and self._pthreads is not None and thread.state.native_thread_id:
                    # Another may have taken its place (see _are_the_same).
                    self._listed = False

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
            found.append(ObservedFrame(key, is_entry, above_shim, chain.addresses[index]))
        return found

    def _observe(self, patient: bool) -> bool:
        """Take one copy and follow what changed; False where it was not of one instant."""
        plan = self._ready_plan()
        if self._stopper is None and len(self.threads) == 1:
            return self._observe_running(plan, held=True)
        holders, turn = plan.look()
        if turn and turn == self._turn and time.monotonic_ns() - self._full_ns < FULL_EVERY_NS:
            moved = GilTurns.threads(turn)
            if all(thread.state.address in moved for thread in self._changed):
                plan = self._ready_plan(moved)
        if not holders or self._stopper is None:
            return self._observe_running(plan, held=self._stopper is None)
        return self._observe_stopped(plan, holders, patient)

    def _ready_plan(self, moved: frozenset[int] = frozenset()) -> CopyPlan[TrackedThread]:
        """Return the plan to copy the threads that may have ``moved`` (none named: all)."""
        plan = self._plans.get(moved)
        if plan is not None and not any(span.thread.chain.stale for span in plan.spans):
            return plan
        threads = [thread for thread in self.threads if not moved or thread.state.address in moved]
        for thread in threads:
            if thread.chain.stale:
                # Every plan that this thread is in has become another.
                self._plans.clear()
                thread.chain.plan()
        plan = CopyPlan(self._target.memory, self._runtime, self.interpreters, threads, tails=self._stopper is None)
        self._plans[moved] = plan
        return plan

    def _observe_stopped(self, plan: CopyPlan[TrackedThread], holders: tuple[int, ...], patient: bool) -> bool:
        stopper = self._stopper
        assert stopper is not None
        threads = list(dict.fromkeys(self._host_id(holder) for holder in holders))
        if 0 in threads:
            # The system's id of a holder is not known.
            return self._observe_running(plan, held=True)
        outcomes: list[StopOutcome] = []
        started = time.perf_counter_ns()
        try:
            outcomes = [stopper.stop(threads[0])] if len(threads) == 1 else stopper.stop_all(threads)
            if StopOutcome.GONE in outcomes:
                self._listed = False
                return False
            if outcomes.count(StopOutcome.STOPPED) == len(threads):
                return self._copy_standing(plan, holders, patient)
        finally:
            stopped = [
                thread for thread, outcome in zip(threads, outcomes, strict=False) if outcome is StopOutcome.STOPPED
            ]
            for thread in stopped:
                stopper.resume(thread)
            if stopped:
                self.stop_times_ns.append(time.perf_counter_ns() - started)
        if StopOutcome.REFUSED in outcomes:
            self._give_up_stopping(stopper.refusal())
            return False
        # It holds the GIL and does not stop: it hangs in the kernel, or may not be traced. Several looks must do.
        return self._observe_running(plan, held=True)

    def _copy_standing(self, plan: CopyPlan[TrackedThread], holders: tuple[int, ...], patient: bool) -> bool:
        """Copy and follow while the holders stand; False where they are no longer the holders."""
        data = plan.copy()
        if not plan.stood(data, holders) or not self._covers(plan, data):
            return False
        if not (plan.same_lists(data) and self._follow(plan, data)):
            self._listed = False
            if patient or not self._refresh_threads():
                return False
            plan = self._ready_plan()
            data = plan.copy()
            if not plan.stood(data, holders) or not self._follow(plan, data):
                return False
        if self._free_threaded:
            # Others may have attached, called and detached while they were copied: no words tell of that.
            free = [span for span in plan.spans if span.thread.state.address not in holders]
            moved = [span for span in free if span.thread in self._changed]
            if moved and not (self._is_whole(plan, moved, data) and self._stands_still(plan, moved, data)):
                return False
        if not self._begin_credibly(holders) or not self._are_the_same():
            return False
        self._refresh_codes(plan.generations(data))
        self._believe(plan, data, holders)
        return True

    def _observe_running(self, plan: CopyPlan[TrackedThread], held: bool) -> bool:
        """Observe without stopping: believe what several looks agree on. ``held``: although the GIL may be held."""
        data = plan.copy()
        holders = plan.gil.holders(data)
        if (holders and not held) or not self._covers(plan, data):
            return False
        if not (plan.same_lists(data) and self._follow(plan, data)):
            self._listed = False
            return False
        changed = [span for span in plan.spans if span.thread in self._changed]
        if not self._is_whole(plan, changed, data):
            return False
        if not self._begin_credibly(holders):
            return False
        self._refresh_codes(plan.generations(data))
        if not self._stands_still(plan, changed, data) or not self._are_the_same():
            return False
        self._believe(plan, data, holders)
        return True

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
        return len(plan.spans) == len(self.threads) or plan.turn(data) == self._turn

    def _are_the_same(self) -> bool:
        """True where the threads that moved are still those that were listed.

        Before 3.11 nothing in memory tells a thread from one that took its place: the system knows that it has ended.
        """
        if self._pthreads is None:
            return True
        for thread in self._changed:
            if thread.state.native_thread_id and self._target.activity(thread.host_id)[0] is Activity.GONE:
                self._listed = False
                return False
        return True

    def _believe(self, plan: CopyPlan[TrackedThread], data: bytes, holders: tuple[int, ...]) -> None:
        self._holders = holders
        self._gil = plan.gil
        self._turn = plan.turn(data)
        self._rare = plan.rare, plan.rare_words(data)
        if len(plan.spans) == len(self.threads):
            self._full_ns = time.monotonic_ns()
        if self.while_standing is not None:
            self.while_standing(holders)

    def _follow(self, plan: CopyPlan[TrackedThread], data: bytes) -> bool:
        """Bring the chains up to ``data``; False where a list of threads is no longer what it was."""
        if data == plan.last:
            return True
        changed = self._changed
        next_offset, own_id = self._runtime.layout.thread_state.next, self._own_id
        for thread, start, end in plan.spans:
            region = data[start:end]
            chain = thread.chain
            if region == chain.region:
                continue
            if word(region, next_offset) != thread.next or region[own_id] != thread.own_id:
                # The list has changed, or a thread that was just being born has learnt its id.
                return False
            changed[thread] = None
            try:
                chain.update(region)
            finally:
                # What is left of the nodes is true of the frames that were left alone.
                del thread.nodes[chain.changed_from :]
        plan.last = data
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
        for thread in self._changed:
            thread.quiet = False
            chain, nodes = thread.chain, thread.nodes
            if chain.region:
                thread.beside = self._thread_words.bits(chain.region)
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
            thread.node = node
        self._changed.clear()
        self._note_states()

    def _note_states(self) -> None:
        gil, rare = self._gil, self._rare
        assert gil is not None
        assert rare is not None
        requested = self._runtime.layout.thread_state.gil_requested
        for thread in self.threads:
            if thread.state.address in self._holders:
                bits = _ACTIVE if self._free_threaded else _HOLDS
            elif requested is not None and thread.chain.region[requested : requested + 4] != _NO:
                # 3.15 says it itself, at the instant of the copy.
                bits = _WAITS
            elif thread.running:
                bits = _ACTIVE
            elif thread.waits_for and gil.is_waited_for(thread.waits_for):
                bits = _WAITS
            else:
                bits = 0
            thread.bits = bits | thread.beside
        # Without a GIL more than one thread may run Python, and one that is attached need not be the one that collects.
        self._rare_states.mark(*rare, self.threads, () if self._free_threaded else self._holders)

    def _has_finalizer(self, thread: TrackedThread) -> bool:
        return any(frame.key.name == "__del__" for frame in self.frames(thread))

    def _host_id(self, thread_state: int) -> int:
        for thread in self.threads:
            if thread.state.address == thread_state:
                return thread.host_id
        size = self._runtime.layout.long_size
        native = int.from_bytes(self._target.memory.read(thread_state + self._own_id.start, size), "little")
        if self._pthreads is not None:
            native = self._pthreads.native_ids([native]).get(native, 0)
        return self._target.host_thread_id(native)

    def _give_up_stopping(self, reason: str) -> None:
        self.notice = f"threads of the target cannot be stopped ({reason}): sampling goes on without stopping them"
        assert self._stopper is not None
        self._stopper.close()
        self._stopper = None
        self._plans.clear()

    def _refresh_threads(self) -> bool:
        """List the threads anew and learn where the frames of the new ones lie; False where that did not succeed."""
        for _ in range(ATTEMPTS):
            try:
                self.interpreters = read_interpreters(self._target.memory, self._runtime)
                self.failure = None
                break
            except (MemoryFault, CorruptTarget) as err:
                self.failure = err
        else:
            return False
        known = {thread.state: thread for thread in self.threads}
        threads: list[TrackedThread] = []
        for interpreter in self.interpreters:
            below = 0
            for state in self._states(interpreter):
                thread = known.pop(state, None) or self._track(state, interpreter)
                thread.next, below = below, state.address
                threads.append(thread)
        for thread in known.values():
            self._changed.pop(thread, None)
        self._target.forget_threads({gone.host_id for gone in known.values()} - {kept.host_id for kept in threads})
        self.threads = threads
        self._generations = b""
        self.threads_version += 1
        self._plans.clear()
        self._turn = b""
        self._listed = True
        return True

    def _states(self, interpreter: Interpreter) -> Sequence[ThreadState]:
        """Return the thread states with the system's ids, as far as they can be had."""
        states = interpreter.threads
        if self._pthreads is None:
            return states
        natives = self._pthreads.native_ids([state.thread_id for state in states])
        # Until a thread has begun its state has the id of the thread that made it. That one is older.
        return [replace(state, native_thread_id=natives.pop(state.thread_id, 0)) for state in states]

    def _forget_chains(self) -> None:
        for thread in self.threads:
            thread.chain.reset()
            thread.nodes.clear()
            self._changed[thread] = None
        self._listed = False

    def _track(self, state: ThreadState, interpreter: Interpreter) -> TrackedThread:
        memory = self._target.memory
        chain = FrameChain(memory, self._runtime.layout, state, self._unpack)
        thread = TrackedThread(state, interpreter, chain, self._target.host_thread_id(state.native_thread_id))
        try:
            # A look at a running thread may be torn: it only tells where to look, and which code there is.
            chain.update(b"".join(memory.read_many(chain.ranges)))
            thread.root.expect(chain)
            self._codes.refresh({code for code in chain.codes if code} - self._codes.codes.keys())
        except (MemoryFault, CorruptTarget):
            chain.reset()
        own_id = state.native_thread_id if self._pthreads is None else state.thread_id
        thread.own_id = own_id.to_bytes(self._runtime.layout.long_size, "little")
        chain.plan()
        self._changed[thread] = None
        return thread
