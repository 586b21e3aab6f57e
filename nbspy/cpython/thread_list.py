"""The threads that an unwinder follows: listed anew when the target's lists change, each with its frames.

A thread that was listed before keeps its :class:`TrackedThread`, so that what is known of its frames stays true.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from nbspy.cpython.code_object import CodeCache
from nbspy.cpython.frame_chain import FrameChain
from nbspy.cpython.frame_struct import frame_struct
from nbspy.cpython.interner import ROOT
from nbspy.cpython.pthreads import PthreadIds
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.stack_root import StackRoot
from nbspy.cpython.thread_state import Interpreter, ThreadState, read_interpreters, word
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.process import Activity, Target

_ATTEMPTS: Final = 16
"""Looks at the lists, which change under a lock that says nothing to us."""


class TrackedThread:
    """A thread of the target, with what the last sample said of it."""

    def __init__(self, state: ThreadState, interpreter: Interpreter, chain: FrameChain, host_id: int) -> None:
        self.state = state
        self.interpreter = interpreter
        self.chain = chain
        self.host_id = host_id
        """OS id by which this system knows it; differs from ``state.native_thread_id`` across pid namespaces."""
        self.node: int = ROOT
        """Leaf node of its stack."""
        self.bits = 0
        """:class:`nbspy.wire.State` at the last sample."""
        self.beside = 0
        """Of :attr:`bits` those that the thread state itself tells."""
        self.running = False
        self.waits_for = 0
        """Address of the lock it waits for, by the system's word."""
        self.quiet = False
        """It waited when it was asked about, and has not moved since."""
        self.quiet_since_ns = 0
        self.due_ns = 0
        """Monotonic times: since when it is quiet, and when the system is asked about it again."""
        self.nodes: list[int] = []
        """Node of each frame of ``chain``, root first."""
        self.ahead_of_chain = False
        """``node`` was told at a glance: ``chain`` and ``nodes`` are of a sample before."""
        self.next = 0
        """Address of the next thread state in the interpreter's list."""
        self.own_id = b""
        """``state.native_thread_id`` as it stands in the thread state; before 3.11 ``state.thread_id``."""
        self.root = StackRoot()


class ThreadList:
    """All threads of all interpreters of one target."""

    def __init__(self, target: Target, runtime: Runtime, codes: CodeCache, changed: dict[TrackedThread, None]) -> None:
        """``changed`` is whose frames are not yet told; new threads are added to it, and those that end taken out."""
        self._target = target
        self._runtime = runtime
        self._codes = codes
        self._changed = changed
        self._unpack = frame_struct(runtime.layout.frame)
        fields = runtime.layout.thread_state
        # Before 3.11 the system's id is not in the thread state; Python's own is set at the same time.
        self._pthreads = PthreadIds(target) if fields.native_thread_id is None else None
        self.native_ids_are_theirs = self._pthreads is None
        """True where a thread state holds the system's id of its thread (3.11+)."""
        own_id = fields.thread_id if fields.native_thread_id is None else fields.native_thread_id
        self.own_id = slice(own_id, own_id + runtime.layout.long_size)
        """Where, in a thread state, the id stands that a thread learns when it begins."""
        self.listed = False
        """True while the list is believed to be the target's."""
        self.interpreters: list[Interpreter] = []
        self.threads: list[TrackedThread] = []
        """Main interpreter first, oldest first."""
        self.by_address: dict[int, TrackedThread] = {}
        self.version = 0
        """Grows when :attr:`threads` becomes another list."""
        self._ghosts: set[int] = set()
        """Addresses of thread states whose threads are not there: those of the parent in a child that 2.7 forked."""
        self._had_ghosts = False
        self.failure: Exception | None = None
        """Why the threads could not be listed the last time."""

    def refresh(self) -> bool:
        """List the threads anew and learn where the frames of the new ones lie; False where that did not succeed."""
        for _ in range(_ATTEMPTS):
            try:
                self.interpreters = read_interpreters(self._target.memory, self._runtime)
                self.failure = None
                break
            except (MemoryFault, CorruptTarget) as err:
                self.failure = err
        else:
            return False
        self._ghosts.clear()
        known = {thread.state: thread for thread in self.threads}
        threads: list[TrackedThread] = []
        for interpreter in self.interpreters:
            below = 0
            for state in self._states(interpreter):
                if state.address in self._ghosts:
                    below = state.address
                    continue
                thread = known.pop(state, None) or self._track(state, interpreter)
                thread.next, below = below, state.address
                threads.append(thread)
        for thread in known.values():
            self._changed.pop(thread, None)
        self._target.forget_threads({gone.host_id for gone in known.values()} - {kept.host_id for kept in threads})
        self.threads = threads
        self.by_address = {thread.state.address: thread for thread in threads}
        self.version += 1
        self.listed = True
        return True

    def are_the_same(self, threads: Iterable[TrackedThread]) -> bool:
        """True where these ``threads``, which moved, are still those that were listed.

        Before 3.11 nothing in memory tells a thread from one that took its place: the system knows that it has ended.
        """
        if self.native_ids_are_theirs:
            return True
        for thread in threads:
            if thread.state.native_thread_id and self._target.activity(thread.host_id)[0] is Activity.GONE:
                self.listed = False
                return False
        return True

    def host_id(self, thread_state: int) -> int:
        """Return the OS id of the thread whose state lies at this address, listed or not; 0 where it is not known."""
        thread = self.by_address.get(thread_state)
        if thread is not None:
            return thread.host_id
        size = self._runtime.layout.long_size
        native = int.from_bytes(self._target.memory.read(thread_state + self.own_id.start, size), "little")
        if self._pthreads is not None:
            native = self._pthreads.native_ids([native]).get(native, 0)
        return self._target.host_thread_id(native)

    def forget_chains(self) -> None:
        """Take nothing for granted any more, neither the list nor where frames lie."""
        for thread in self.threads:
            thread.chain.reset()
            thread.nodes.clear()
            self._changed[thread] = None
        self.listed = False

    def _states(self, interpreter: Interpreter) -> Sequence[ThreadState]:
        """Return the thread states with the system's ids, as far as they can be had."""
        states = interpreter.threads
        if self._pthreads is None:
            return states
        natives = self._pthreads.native_ids([state.thread_id for state in states])
        owners = self._owners(states, natives)
        return [
            replace(state, native_thread_id=natives[state.thread_id] if owners.get(state.thread_id) == state else 0)
            for state in states
        ]

    def _owners(self, states: Sequence[ThreadState], natives: dict[int, int]) -> dict[int, ThreadState]:
        """Return the state that belongs to the thread of each id in ``natives``, and note which belong to none.

        Until a thread has begun its state has no frames, and the id of the thread that made it, whose state is older.
        A state with frames whose thread the system does not know is a ghost: 2.7 leaves all states of the parent in a
        child that it forks, and so does a fork in C. A thread that has begun since, where a ghost's stack was, has the
        ghost's id; its state is newer.
        """
        owners: dict[int, ThreadState] = {}
        if not natives:
            return owners  # where the C library keeps the ids is not known: nothing can be said of any
        again: list[ThreadState] = []
        for state in states:
            if state.thread_id not in natives:
                if self._has_frames(state):
                    self._ghosts.add(state.address)
            elif state.thread_id in owners:
                again.append(state)
            else:
                owners[state.thread_id] = state
        self._had_ghosts = self._had_ghosts or bool(self._ghosts)
        for state in again if self._had_ghosts else ():
            if self._has_frames(state):
                self._ghosts.add(owners[state.thread_id].address)
                owners[state.thread_id] = state
        return owners

    def _has_frames(self, state: ThreadState) -> bool:
        offset = self._runtime.layout.thread_state.current_frame
        try:
            return word(self._target.memory.read(state.address + offset, 8), 0) != 0
        except MemoryFault:
            return False

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
