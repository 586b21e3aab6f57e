"""Stopping one thread of the target for the time of a copy, with ``ptrace(2)``.

A thread is seized, interrupted, and *detached* to let it run on. Keeping it seized between samples would save about
7 us a stop, but then every signal the thread gets would wait for us, a debugger could not attach, exec and exit would
need our help, and a sampler that hangs would hang the target. Detached, the target is itself again 10 to 60 us later.

A sampler that dies leaves nothing stopped: the kernel detaches the threads of a tracer that ends.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial

from nbspy.plain_text import printable
from nbspy.target.process import StopOutcome

_SEIZE = 0x4206
_INTERRUPT = 0x4207
_DETACH = 17
_WALL = 0x40000000
_NO_HANG = os.WNOHANG | _WALL
_EVENT_STOP = 128
_MAX_REQUESTS = 4096
_SHOWN = 80
"""Characters of a debugger's command line that are told."""

STOP_BUDGET_NS = 5_000_000
"""How long a thread may take to stop; an ordinary one takes 10 to 100 us."""
_STARVED_BUDGET_NS = 100_000_000
"""How long one that is ready to run and gets no processor: it stops as soon as it runs, and meanwhile loses nothing."""
_SPIN_NS = 15_000
"""Ask again without sleeping for this long. A thread that runs on another processor stops sooner than a sleeper could
be woken; one that needs this processor to stop must not be kept from it (300 us here made a stop on a busy machine
four times as long)."""


def _load_ptrace() -> ctypes._NamedFuncPointer:
    function = ctypes.CDLL(None, use_errno=True).ptrace
    # Without argtypes: _Requests passes what is converted already.
    function.restype = ctypes.c_long
    return function


class _Requests:
    """What is asked of ``ptrace(2)`` for one thread. Hot path: arguments are converted once, not while it stands."""

    __slots__ = ("_ptrace", "_thread", "detach", "interrupt", "seize")

    def __init__(self, ptrace: ctypes._NamedFuncPointer, thread: int) -> None:
        self._ptrace = ptrace
        self._thread = thread
        self.seize = self._prepare(_SEIZE)
        self.interrupt = self._prepare(_INTERRUPT)
        self.detach = self._prepare(_DETACH)

    def deliver(self, number: int) -> int:
        """Detach, and let the thread have the signal ``number``."""
        return self._prepare(_DETACH, number)()

    def _prepare(self, request: int, data: int | None = None) -> Callable[[], int]:
        return partial(
            self._ptrace,
            ctypes.c_long.from_param(request),
            ctypes.c_int.from_param(self._thread),
            ctypes.c_void_p.from_param(None),
            ctypes.c_void_p.from_param(data),
        )


class LinuxThreadStopper:
    """Implements :class:`~nbspy.target.process.ThreadStopper`.

    In a process that goes on afterwards it belongs in a thread of its own (:mod:`nbspy.target.own_thread`).
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ptrace = _load_ptrace()
        self._requests: dict[int, _Requests] = {}
        self._signals: dict[int, int] = {}
        """Stopped threads, and the signal each was about to get (0: none)."""
        self._late: set[int] = set()
        """Threads that were asked to stop and have not yet done so."""
        self._refusal = ""
        self.asked_ns = 0
        # The wait below listens for SIGCHLD; as a blocked signal it is kept until it is asked for.
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])

    def stop(self, thread: int) -> StopOutcome:
        self.asked_ns = 0
        started = time.monotonic_ns()
        outcome = self._ask(thread)
        return self._wait(thread, started) if outcome is None else outcome

    def stop_all(self, threads: Sequence[int]) -> list[StopOutcome]:
        self.asked_ns = 0
        started = time.monotonic_ns()
        # All are asked first: those that stand leave their processors to those that must run to stop.
        outcomes = [self._ask(thread) for thread in threads]
        return [
            self._wait(thread, started) if outcome is None else outcome
            for thread, outcome in zip(threads, outcomes, strict=True)
        ]

    def _ask(self, thread: int) -> StopOutcome | None:
        """Ask a thread to stop; None where it will."""
        if thread in self._late:
            return self._stop_late(thread)
        requests = self._requests.get(thread) or self._prepare(thread)
        if requests.seize() != 0:
            return self._seize_failed(thread)
        # Seized it runs on; it may stand as soon as it is interrupted.
        self.asked_ns = self.asked_ns or time.perf_counter_ns()
        requests.interrupt()
        return None

    def _prepare(self, thread: int) -> _Requests:
        if len(self._requests) >= _MAX_REQUESTS:
            self._requests.clear()
        found = self._requests[thread] = _Requests(self._ptrace, thread)
        return found

    def _stop_late(self, thread: int) -> StopOutcome:
        """It was asked already; perhaps it stands by now."""
        self.asked_ns = self.asked_ns or time.perf_counter_ns()
        try:
            found, status = os.waitpid(thread, _NO_HANG)
        except ChildProcessError:
            self._late.discard(thread)
            return StopOutcome.GONE
        if not found:
            return StopOutcome.TOO_SLOW
        self._late.discard(thread)
        return self._stopped(thread, status)

    def resume(self, thread: int) -> None:
        self._detach(thread, self._signals.pop(thread, 0))

    def refusal(self) -> str:
        return self._refusal

    def close(self) -> None:
        for thread in list(self._signals):
            self.resume(thread)
        deadline = time.monotonic_ns() + STOP_BUDGET_NS
        while self.release_late() and time.monotonic_ns() < deadline:
            pass
        # A kernel that dumped another process goes on to start children, and they inherit what is blocked.
        if signal.SIGCHLD not in self._mask:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])

    def _seize_failed(self, thread: int) -> StopOutcome:
        code = ctypes.get_errno()
        if code == errno.ESRCH:
            return StopOutcome.GONE
        tracer = _tracer_of(self._pid, thread)
        if tracer == 0 and _is_ending(self._pid, thread):
            return StopOutcome.GONE
        if tracer:
            from nbspy.target.permissions.proc import Proc

            command = printable(Proc().command_line(tracer), _SHOWN)
            self._refusal = f"process {tracer} ({command}) already traces it"
        else:
            self._refusal = f"the system refused it ({os.strerror(code)})"
        return StopOutcome.REFUSED

    def _wait(self, thread: int, started: int) -> StopOutcome:
        last = False
        while True:
            try:
                found, status = os.waitpid(thread, _NO_HANG)
            except ChildProcessError:
                return StopOutcome.GONE
            if found:
                return self._stopped(thread, status)
            if last:
                self._late.add(thread)
                return StopOutcome.TOO_SLOW
            waited = time.monotonic_ns() - started
            # One more look then: this process may have had no processor, and the thread have stopped long ago.
            last = waited > STOP_BUDGET_NS and (waited > _STARVED_BUDGET_NS or not _is_runnable(self._pid, thread))
            if waited > _SPIN_NS and not last:
                signal.sigtimedwait([signal.SIGCHLD], 0.001)  # type: ignore[attr-defined,unused-ignore]  # macOS has none

    def _stopped(self, thread: int, status: int) -> StopOutcome:
        if not os.WIFSTOPPED(status):
            return StopOutcome.GONE
        # Anything but our own interrupt is a signal on its way to the thread: it gets it when it is let go.
        self._signals[thread] = 0 if status >> 16 == _EVENT_STOP else os.WSTOPSIG(status)
        return StopOutcome.STOPPED

    def release_late(self) -> bool:
        for thread in list(self._late):
            try:
                found, status = os.waitpid(thread, _NO_HANG)
            except ChildProcessError:
                self._late.discard(thread)
                continue
            if not found:
                continue
            self._late.discard(thread)
            if os.WIFSTOPPED(status):
                self._detach(thread, 0 if status >> 16 == _EVENT_STOP else os.WSTOPSIG(status))
        return bool(self._late)

    def _detach(self, thread: int, deliver: int) -> None:
        # ESRCH: the thread was killed while it stood; there is nothing left to let go.
        requests = self._requests.get(thread) or self._prepare(thread)
        if deliver:
            requests.deliver(deliver)
        else:
            requests.detach()


def _status_field(pid: int, thread: int, field: str) -> str:
    try:
        with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(field):
                    return line.partition(":")[2].strip()
    except OSError:
        return ""
    return ""


def _tracer_of(pid: int, thread: int) -> int:
    value = _status_field(pid, thread, "TracerPid:")
    return int(value) if value.isdigit() else 0


def _is_runnable(pid: int, thread: int) -> bool:
    return _status_field(pid, thread, "State:").startswith("R")


def _is_ending(pid: int, thread: int) -> bool:
    state = _status_field(pid, thread, "State:")
    return state == "" or state[0] in "ZX"
