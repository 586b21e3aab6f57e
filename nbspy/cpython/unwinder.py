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
from dataclasses import dataclass, field
from typing import Final

from nbspy.cpython.code_object import CodeCache, SourceNames
from nbspy.cpython.copy_plan import CopyPlan
from nbspy.cpython.frame_chain import FrameChain, frame_struct
from nbspy.cpython.interner import ROOT, FrameKey, Interner
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import Interpreter, ThreadState, read_interpreters, word
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.process import Activity, StopOutcome, Target
from nbspy.wire import State

ATTEMPTS: Final = 16
LOOKS: Final = 3
QUIET_NS: Final = 10_000_000
"""A waiting thread whose frames stand still is asked about this often: 150 of them would cost 0.7 ms a sample."""
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
    start: int = 0
    end: int = 0
    """Where its region lies in the copy."""
    next: int = 0
    """Address of the next thread state in the interpreter's list."""
    own_id: bytes = b""
    """``state.native_thread_id`` as it stands in the thread state."""


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
        self._unpack = frame_struct(runtime.layout.frame)
        own_id = runtime.layout.thread_state.native_thread_id
        self._own_id = slice(0, 0) if own_id is None else slice(own_id, own_id + 8)
        self._stopper = target.stopper() if blocking else None
        self._codes = CodeCache(target.memory, runtime.layout, interner, names)
        self._plan: CopyPlan | None = None
        self._changed: dict[TrackedThread, None] = {}
        """Threads whose frames moved since the last sample that was believed."""
        self._samples = 0
        self._last_copy = b""
        self._generations = b""
        self._holders: tuple[int, ...] = ()
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
        if self._plan is None and not self._refresh_threads():
            self.discarded += 1
            return False
        self._ask_activity()
        for attempt in range(ATTEMPTS):
            if attempt:
                self.retried += 1
            try:
                if self._observe(patient=attempt < _PATIENT_ATTEMPTS):
                    self._settle()
                    return True
            except MemoryFault:
                # A range that was planned is no longer there; which one is not worth finding out.
                self._forget_chains()
            except CorruptTarget:
                self._plan = None
            if self._plan is None and not self._refresh_threads():
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

    def frames(self, thread: TrackedThread) -> list[ObservedFrame]:
        """Return the frames that the last sample saw of ``thread``, leaf first."""
        chain = thread.chain
        flag = self._runtime.layout.frame.is_entry
        found: list[ObservedFrame] = []
        for index in range(len(chain.codes) - 1, -1, -1):
            code = self._codes.codes.get(chain.codes[index])
            if code is None or code.is_trampoline:
                continue
            key = self._codes.frame_key(code, chain.instructions[index])
            above_shim = index > 0 and chain.codes[index - 1] == 0
            is_entry = above_shim or index == 0
            if flag is not None:
                is_entry = chain.byte_at(index, flag) != 0
            found.append(ObservedFrame(key, is_entry, above_shim, chain.addresses[index]))
        return found

    def _observe(self, patient: bool) -> bool:
        """Take one copy and follow what changed; False where it was not of one instant."""
        plan = self._ready_plan()
        holders = plan.holders_now() if self._stopper is not None else ()
        if not holders:
            return self._observe_running(plan, held=self._stopper is None)
        return self._observe_stopped(plan, holders, patient)

    def _ready_plan(self) -> CopyPlan:
        if self._plan is None or any(thread.chain.stale for thread in self.threads):
            for thread in self.threads:
                if thread.chain.stale:
                    thread.chain.plan()
            self._plan = CopyPlan(
                self._target.memory, self._runtime, self.interpreters, self.threads, tails=self._stopper is None
            )
            self._last_copy = b""
        return self._plan

    def _observe_stopped(self, plan: CopyPlan, holders: tuple[int, ...], patient: bool) -> bool:
        stopper = self._stopper
        assert stopper is not None
        stopped: list[int] = []
        started = time.perf_counter_ns()
        try:
            for holder in holders:
                thread = self._host_id(holder)
                outcome = stopper.stop(thread)
                if outcome is StopOutcome.GONE:
                    return False
                if outcome is not StopOutcome.STOPPED:
                    break
                stopped.append(thread)
            else:
                return self._copy_standing(plan, holders, patient)
        finally:
            for thread in stopped:
                stopper.resume(thread)
            if stopped:
                self.stop_times_ns.append(time.perf_counter_ns() - started)
        if outcome is StopOutcome.REFUSED:
            self._give_up_stopping(stopper.refusal())
            return False
        # It holds the GIL and does not stop: it hangs in the kernel, or may not be traced. Several looks must do.
        return self._observe_running(plan, held=True)

    def _copy_standing(self, plan: CopyPlan, holders: tuple[int, ...], patient: bool) -> bool:
        """Copy and follow while the holders stand; False where they are no longer the holders."""
        data = plan.copy()
        if plan.holders(data) != holders:
            return False
        if not (plan.same_lists(data) and self._follow(data)):
            self._plan = None
            if patient or not self._refresh_threads():
                return False
            plan = self._ready_plan()
            data = plan.copy()
            if plan.holders(data) != holders or not self._follow(data):
                return False
        self._refresh_codes(plan.generations(data))
        self._believe(holders)
        return True

    def _observe_running(self, plan: CopyPlan, held: bool) -> bool:
        """Observe without stopping: believe what several looks agree on. ``held``: although the GIL may be held."""
        data = plan.copy()
        holders = plan.gil.holders(data)
        if holders and not held:
            return False
        if not (plan.same_lists(data) and self._follow(data)):
            self._plan = None
            return False
        tails = self._stopper is None
        for thread in self._changed:
            if thread.chain.unpredicted or (tails and not plan.tail_agrees(data, thread)):
                return False
        self._refresh_codes(plan.generations(data))
        for _ in range(LOOKS - 1):
            again = plan.copy()
            if again == data:
                continue
            for thread in self._changed:
                if not thread.chain.same_links(again[thread.start : thread.end]):
                    return False
                if tails and not plan.tail_agrees(again, thread):
                    return False
        self._believe(holders)
        return True

    def _believe(self, holders: tuple[int, ...]) -> None:
        self._holders = holders
        if self.while_standing is not None:
            self.while_standing(holders)

    def _follow(self, data: bytes) -> bool:
        """Bring the chains up to ``data``; False where a list of threads is no longer what it was."""
        if data == self._last_copy:
            return True
        changed = self._changed
        next_offset, own_id = self._runtime.layout.thread_state.next, self._own_id
        for thread in self.threads:
            region = data[thread.start : thread.end]
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
        self._last_copy = data
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
        assert self._plan is not None
        gil = self._plan.gil
        requested = self._runtime.layout.thread_state.gil_requested
        for thread in self.threads:
            if thread.state.address in self._holders:
                thread.bits = _HOLDS
            elif requested is not None and thread.chain.region[requested : requested + 4] != _NO:
                # 3.15 says it itself, at the instant of the copy.
                thread.bits = _WAITS
            elif thread.running:
                thread.bits = _ACTIVE
            elif thread.waits_for and gil.is_waited_for(thread.waits_for):
                thread.bits = _WAITS
            else:
                thread.bits = 0

    def _host_id(self, thread_state: int) -> int:
        for thread in self.threads:
            if thread.state.address == thread_state:
                return thread.host_id
        offset = self._runtime.layout.thread_state.native_thread_id
        return self._target.host_thread_id(word(self._target.memory.read(thread_state + offset, 8), 0))

    def _give_up_stopping(self, reason: str) -> None:
        self.notice = f"threads of the target cannot be stopped ({reason}): sampling goes on without stopping them"
        assert self._stopper is not None
        self._stopper.close()
        self._stopper = None
        self._plan = None

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
            for state in interpreter.threads:
                thread = known.pop(state, None) or self._track(state, interpreter)
                thread.next, below = below, state.address
                threads.append(thread)
        for thread in known.values():
            self._changed.pop(thread, None)
        self._target.forget_threads({gone.host_id for gone in known.values()} - {kept.host_id for kept in threads})
        self.threads = threads
        self.threads_version += 1
        self._plan = None
        self._ready_plan()
        return True

    def _forget_chains(self) -> None:
        for thread in self.threads:
            thread.chain.reset()
            thread.nodes.clear()
            self._changed[thread] = None
        self._plan = None

    def _track(self, state: ThreadState, interpreter: Interpreter) -> TrackedThread:
        memory = self._target.memory
        chain = FrameChain(memory, self._runtime.layout, state, self._unpack)
        thread = TrackedThread(state, interpreter, chain, self._target.host_thread_id(state.native_thread_id))
        try:
            # A look at a running thread may be torn: it only tells where to look, and which code there is.
            chain.update(b"".join(memory.read_many(chain.ranges)))
            self._codes.refresh({code for code in chain.codes if code} - self._codes.codes.keys())
        except (MemoryFault, CorruptTarget):
            chain.reset()
        if self._own_id.stop:
            thread.own_id = state.native_thread_id.to_bytes(8, "little")
        chain.plan()
        self._changed[thread] = None
        return thread
