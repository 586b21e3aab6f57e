from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import nbspy
from nbspy.target import linux_ptrace
from nbspy.target.linux_ptrace import LinuxThreadStopper
from nbspy.target.own_thread import in_own_thread
from nbspy.target.process import StopOutcome

from .interpreters import Interpreter, Target, start_target
from .sessions import check_unharmed


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return str(path)


@pytest.fixture
def hanging(current_interpreter: Interpreter, fifo: str) -> Iterator[Target]:
    """A target whose only thread waits in vfork, where nothing stops it."""
    with start_target(current_interpreter.path, "vfork.py", fifo) as target:
        target.send("spawn")
        while psutil.Process(target.pid).status() != psutil.STATUS_DISK_SLEEP:
            pass
        try:
            yield target
        finally:
            for child in psutil.Process(target.pid).children():
                child.kill()


def let_go_on(fifo: str) -> None:
    os.close(os.open(fifo, os.O_WRONLY))


def stop_and_close(pid: int) -> StopOutcome:
    stopper = LinuxThreadStopper(pid)
    try:
        return stopper.stop(pid)
    finally:
        stopper.close()


def test_thread_that_stops_late_is_let_go_when_it_has_stopped(hanging: Target, fifo: str) -> None:
    def stop_and_release() -> object:
        stopper = LinuxThreadStopper(hanging.pid)
        assert stopper.stop(hanging.pid) is StopOutcome.TOO_SLOW
        assert stopper.stop(hanging.pid) is StopOutcome.TOO_SLOW
        stopper.release_late()
        let_go_on(fifo)
        while psutil.Process(hanging.pid).status() != psutil.STATUS_TRACING_STOP:
            pass
        stopper.release_late()
        return hanging.read_json()

    assert in_own_thread(stop_and_release) == [0]


def test_thread_that_stops_late_can_be_stopped_then(hanging: Target, fifo: str) -> None:
    def stop_again() -> object:
        stopper = LinuxThreadStopper(hanging.pid)
        assert stopper.stop(hanging.pid) is StopOutcome.TOO_SLOW
        let_go_on(fifo)
        while (outcome := stopper.stop(hanging.pid)) is StopOutcome.TOO_SLOW:
            pass
        assert outcome is StopOutcome.STOPPED
        assert psutil.Process(hanging.pid).status() == psutil.STATUS_TRACING_STOP
        stopper.resume(hanging.pid)
        stopper.close()
        return hanging.read_json()

    assert in_own_thread(stop_again) == [0]


def test_thread_that_never_stopped_is_let_go_when_the_tracing_thread_ends(hanging: Target, fifo: str) -> None:
    assert in_own_thread(lambda: stop_and_close(hanging.pid)) is StopOutcome.TOO_SLOW

    let_go_on(fifo)

    assert hanging.read_json() == [0]


def test_dump_of_a_thread_that_cannot_be_stopped_shows_it_and_lets_it_go_on(hanging: Target, fifo: str) -> None:
    [trace] = nbspy.dump(hanging.pid)
    assert [frame.name for frame in trace.frames] == ["main", "<module>"]
    assert trace.owns_gil

    let_go_on(fifo)

    assert hanging.read_json() == [0]


def test_session_on_a_thread_that_cannot_be_stopped_samples_it_and_lets_it_go_on(hanging: Target, fifo: str) -> None:
    with nbspy.attach(hanging.pid, rate=50) as session:
        while session.sample_count < 3:
            assert session.running, session.error
            session.stream.wait_beyond(session.stream.size, timeout=1)
        let_go_on(fifo)
        assert hanging.read_json() == [0]
        assert hanging.ask("more") == [0]
        profile = session.stop()

    assert session.error is None
    assert profile.thread_sample_count >= 3


def test_thread_that_stood_in_time_is_stopped_also_where_we_had_no_processor_to_see_it(
    current_interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    waitpid = os.waitpid
    away: list[int] = []

    def first_look_then_wait_for_a_processor(pid: int, options: int) -> tuple[int, int]:
        if away:
            return waitpid(pid, options)
        away.append(pid)
        began = time.monotonic_ns()
        while psutil.Process(pid).status() != psutil.STATUS_TRACING_STOP:
            pass
        while time.monotonic_ns() - began < 2 * linux_ptrace.STOP_BUDGET_NS:
            pass
        return 0, 0

    with start_target(current_interpreter.path, "faults.py", "unmapping", "60") as target:
        monkeypatch.setattr(os, "waitpid", first_look_then_wait_for_a_processor)
        assert in_own_thread(lambda: stop_and_close(target.pid)) is StopOutcome.STOPPED
        assert away
        monkeypatch.undo()
        check_unharmed(target)


def test_signals_on_their_way_to_a_stopped_thread_arrive(current_interpreter: Interpreter, fifo: str) -> None:
    with start_target(current_interpreter.path, "vfork.py", fifo) as target:

        def stop_and_resume() -> None:
            stopper = LinuxThreadStopper(target.pid)
            for _ in range(20):
                os.kill(target.pid, signal.SIGUSR1)
                assert stopper.stop(target.pid) is StopOutcome.STOPPED
                os.kill(target.pid, signal.SIGUSR1)
                stopper.resume(target.pid)
            stopper.close()

        before = 0
        for _ in range(5):
            in_own_thread(stop_and_resume)
            [handled] = target.ask("signals")
            assert handled > before
            before = handled


def test_in_own_thread_raises_what_the_work_raises() -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        in_own_thread(fail)
