"""What the stopper asks of ptrace(2), on a kernel that is played."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator

import pytest

from nbspy.target import linux_ptrace
from nbspy.target.linux_ptrace import LinuxThreadStopper
from nbspy.target.process import StopOutcome

pytestmark = pytest.mark.skipif(not hasattr(os, "WNOHANG"), reason="waitpid of POSIX")

PID, THREAD = 4000, 4001
_BY_US = linux_ptrace._EVENT_STOP << 16


class Kernel:
    """Threads that stop when they are said to, and a clock of its own."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.statuses: dict[int, int] = {}
        """Threads that stand, or ended, and what ``waitpid`` is told of them."""
        self.seizing_fails = 0
        self.tracer = 0
        self.runnable = False
        self.now_ns = 1
        self.stops_at_ns: int | None = None

    def stand(self, thread: int, number: int = 0) -> None:
        """Let ``thread`` stand: by our interrupt, or because the signal ``number`` is on its way to it."""
        status = number << 8 | 0x7F if number else _BY_US | signal.SIGTRAP << 8 | 0x7F
        self.statuses[thread] = status

    def waitpid(self, thread: int, options: int) -> tuple[int, int]:
        assert options & os.WNOHANG
        self.now_ns += 1_000_000
        if self.stops_at_ns is not None and self.now_ns >= self.stops_at_ns:
            self.stand(thread)
        return (thread, self.statuses.pop(thread)) if thread in self.statuses else (0, 0)


class Requests:
    """Takes the place of what is asked for one thread."""

    kernel: Kernel

    def __init__(self, _: object, thread: int) -> None:
        self._thread = thread

    def seize(self) -> int:
        return -1 if self.kernel.seizing_fails else 0

    def interrupt(self) -> int:
        return self._ask("interrupt")

    def detach(self) -> int:
        return self._ask("detach")

    def deliver(self, number: int) -> int:
        return self._ask(f"detach, deliver {signal.Signals(number).name}")

    def _ask(self, what: str) -> int:
        self.kernel.asked.append((what, self._thread))
        return 0


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(Requests, "kernel", kernel, raising=False)
    monkeypatch.setattr(linux_ptrace, "_Requests", Requests)
    monkeypatch.setattr(os, "waitpid", kernel.waitpid)
    monkeypatch.setattr("time.monotonic_ns", lambda: kernel.now_ns)
    monkeypatch.setattr(signal, "sigtimedwait", lambda *_: None)
    monkeypatch.setattr("ctypes.get_errno", lambda: kernel.seizing_fails)
    monkeypatch.setattr(linux_ptrace, "_tracer_of", lambda *_: kernel.tracer)
    monkeypatch.setattr(linux_ptrace, "_is_runnable", lambda *_: kernel.runnable)
    monkeypatch.setattr(linux_ptrace, "_is_ending", lambda *_: False)
    return kernel


@pytest.fixture
def stopper(kernel: Kernel) -> Iterator[LinuxThreadStopper]:
    stopper = LinuxThreadStopper(PID)
    yield stopper
    stopper.close()


@pytest.mark.parametrize("number", [0, signal.SIGUSR1], ids=["ours", "a signal on its way"])
def test_stopped_thread_gets_the_signal_that_was_on_its_way(
    kernel: Kernel, stopper: LinuxThreadStopper, number: int
) -> None:
    kernel.stand(THREAD, number)
    assert stopper.stop(THREAD) is StopOutcome.STOPPED
    stopper.resume(THREAD)

    assert kernel.asked == [
        ("interrupt", THREAD),
        ("detach, deliver SIGUSR1" if number else "detach", THREAD),
    ]


@pytest.mark.parametrize("number", [0, signal.SIGUSR1], ids=["ours", "a signal on its way"])
@pytest.mark.parametrize("by", ["release_late", "close"])
def test_thread_that_stands_late_is_let_go_with_its_signal(
    kernel: Kernel, stopper: LinuxThreadStopper, number: int, by: str
) -> None:
    assert stopper.stop(THREAD) is StopOutcome.TOO_SLOW
    assert stopper.release_late()
    kernel.stand(THREAD, number)
    getattr(stopper, by)()

    assert kernel.asked[1:] == [("detach, deliver SIGUSR1" if number else "detach", THREAD)]
    assert not stopper.release_late()


def test_closing_does_not_wait_for_ever_for_a_thread_that_never_stands(
    kernel: Kernel, stopper: LinuxThreadStopper
) -> None:
    assert stopper.stop(THREAD) is StopOutcome.TOO_SLOW
    began = kernel.now_ns
    stopper.close()

    assert kernel.now_ns - began < 2 * linux_ptrace.STOP_BUDGET_NS


@pytest.mark.parametrize(
    ("runnable", "after_ns", "outcome"),
    [
        (False, linux_ptrace.STOP_BUDGET_NS // 2, StopOutcome.STOPPED),
        (False, 4 * linux_ptrace.STOP_BUDGET_NS, StopOutcome.TOO_SLOW),
        (True, 4 * linux_ptrace.STOP_BUDGET_NS, StopOutcome.STOPPED),
        (True, 2 * linux_ptrace._STARVED_BUDGET_NS, StopOutcome.TOO_SLOW),
    ],
    ids=["soon", "blocked for long", "starved", "starved for too long"],
)
def test_thread_that_only_lacks_a_processor_is_waited_for(
    kernel: Kernel, stopper: LinuxThreadStopper, runnable: bool, after_ns: int, outcome: StopOutcome
) -> None:
    kernel.runnable = runnable
    kernel.stops_at_ns = kernel.now_ns + after_ns

    assert stopper.stop(THREAD) is outcome


@pytest.mark.parametrize(
    ("code", "tracer", "outcome", "reason"),
    [
        (errno.ESRCH, 0, StopOutcome.GONE, ""),
        (errno.EPERM, os.getpid(), StopOutcome.REFUSED, "already traces it"),
        (errno.EPERM, 0, StopOutcome.REFUSED, "the system refused it"),
    ],
    ids=["gone", "traced", "refused"],
)
def test_thread_that_cannot_be_seized_is_told_from_one_that_is_gone(
    kernel: Kernel, stopper: LinuxThreadStopper, code: int, tracer: int, outcome: StopOutcome, reason: str
) -> None:
    kernel.seizing_fails, kernel.tracer = code, tracer

    assert stopper.stop(THREAD) is outcome
    assert reason in stopper.refusal()
    assert kernel.asked == []


def test_of_several_threads_all_are_asked_before_any_is_waited_for(kernel: Kernel, stopper: LinuxThreadStopper) -> None:
    kernel.stand(THREAD)
    kernel.stand(THREAD + 1, signal.SIGUSR1)

    assert stopper.stop_all([THREAD, THREAD + 1]) == [StopOutcome.STOPPED] * 2
    assert kernel.asked == [("interrupt", THREAD), ("interrupt", THREAD + 1)]
    stopper.close()
    assert kernel.asked[2:] == [("detach", THREAD), ("detach, deliver SIGUSR1", THREAD + 1)]
