from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

import nbspy
from nbspy.errors import NbspyError, NotPython, ProcessNotFound, SamplerFailed, TargetEnded
from nbspy.sampler_process import running_samplers

from .interpreters import TARGETS, Interpreter, Target, start_target
from .sessions import ENOUGH, check_totals, check_unharmed, grown, wait_for_samples

both_modes = pytest.mark.parametrize("nonblocking", [False, True], ids=["blocking", "nonblocking"])


@contextmanager
def busy_target(interpreter: Interpreter, *threads: str) -> Iterator[Target]:
    with start_target(interpreter.path, "stacks.py", "busy", *(threads or ("spin", "sleep"))) as target:
        yield target


@both_modes
def test_session_counts_every_sample_of_every_thread(interpreter: Interpreter, nonblocking: bool) -> None:
    with busy_target(interpreter) as target:
        with nbspy.attach(target.pid, rate=300, nonblocking=nonblocking) as session:
            wait_for_samples(session)
            profile = session.stop()
        check_unharmed(target)

    check_totals(profile)
    assert session.error is None
    assert session.end is not None
    assert session.end.reason == "stopped"
    assert profile.hello.python_version == ".".join(map(str, interpreter.version))
    assert {thread.name for thread in profile.threads} == {"MainThread", "spin", "sleep"}
    assert {thread.os_thread_id for thread in profile.threads} == {*target.info["ids"].values(), target.pid}


def test_session_whose_time_is_up_ends_by_itself(current_interpreter: Interpreter) -> None:
    with busy_target(current_interpreter) as target:
        session = nbspy.attach(target.pid, rate=200, duration=0.3)
        profile = session.wait(60)
        check_unharmed(target)

    assert not session.running
    assert session.error is None
    assert session.end is not None
    assert session.end.reason == "duration"
    check_totals(profile)


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_session_on_a_target_that_ends_keeps_what_was_seen(interpreter: Interpreter, how: str) -> None:
    with busy_target(interpreter) as target:
        session = nbspy.attach(target.pid, rate=300)
        wait_for_samples(session)
        if how == "exit":
            target.send("exit")
        else:
            target.process.kill()
        profile = session.wait(60)

    assert not session.running
    assert isinstance(session.error, TargetEnded)
    assert session.end is not None
    assert session.end.reason == "target-ended"
    assert profile.status is not None
    assert profile.status.samples >= ENOUGH
    check_totals(profile)


@pytest.mark.parametrize("command", ["exec", "exec-python"])
def test_session_on_a_target_that_becomes_another_program_ends_with_that_reason(
    interpreter: Interpreter, command: str
) -> None:
    with busy_target(interpreter) as target:
        session = nbspy.attach(target.pid, rate=300)
        wait_for_samples(session)
        target.send(command)
        profile = session.wait(60)

    assert isinstance(session.error, TargetEnded)
    assert "another program" in str(session.error)
    check_totals(profile)


def test_target_is_unharmed_when_the_sampler_is_killed(interpreter: Interpreter) -> None:
    with busy_target(interpreter) as target:
        for _ in range(4):
            session = nbspy.attach(target.pid, rate=2000)
            wait_for_samples(session)
            [sampler] = running_samplers()
            os.kill(sampler.pid, signal.SIGKILL)
            profile = session.wait(60)

            check_unharmed(target)
            assert isinstance(session.error, SamplerFailed)
            assert "SIGKILL" in str(session.error)
            assert len(profile.runs) > 0


def test_target_that_stands_still_by_signal_is_sampled_on(current_interpreter: Interpreter) -> None:
    with busy_target(current_interpreter) as target:
        with nbspy.attach(target.pid, rate=200) as session:
            wait_for_samples(session)
            os.kill(target.pid, signal.SIGSTOP)
            wait_for_samples(session, 3 * ENOUGH)
            os.kill(target.pid, signal.SIGCONT)
            wait_for_samples(session)
            profile = session.stop()
        check_unharmed(target)
    check_totals(profile)
    assert session.error is None


def test_sampler_ends_with_its_parent(current_interpreter: Interpreter) -> None:
    with busy_target(current_interpreter) as target:
        environment = {"PYTHONPATH": os.pathsep.join([str(TARGETS.parent.parent), *filter(None, sys.path)])}
        with start_target(sys.executable, "attach_parent.py", str(target.pid), env=environment) as parent:
            [pid] = parent.info["sampler"]
            sampler = os.pidfd_open(pid)
            try:
                parent.process.kill()
                ended, _, _ = select.select([sampler], [], [], 60)
                assert ended
            finally:
                os.close(sampler)
        check_unharmed(target)


def ended_pid() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def complaint(pid: int) -> NbspyError:
    """Return the error of an attach and of a dump, which must be the same, and leave nothing behind."""
    with pytest.raises(NbspyError) as of_attach:
        nbspy.attach(pid)
    assert running_samplers() == []
    with pytest.raises(NbspyError) as of_dump:
        nbspy.dump(pid)
    assert (type(of_attach.value), str(of_attach.value)) == (type(of_dump.value), str(of_dump.value))
    assert "\n" not in str(of_attach.value)
    assert of_attach.value.help or isinstance(of_attach.value, TargetEnded)
    return of_attach.value


def test_attach_to_a_process_that_is_not_there_says_so() -> None:
    assert isinstance(complaint(ended_pid()), ProcessNotFound)


def test_attach_to_a_zombie_says_that_it_has_ended() -> None:
    process = subprocess.Popen(["true"])
    try:
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        error = complaint(process.pid)
    finally:
        process.wait()

    assert isinstance(error, TargetEnded | ProcessNotFound)
    assert "ended" in str(error)


def test_attach_to_another_program_says_that_it_is_not_python() -> None:
    with subprocess.Popen(["sleep", "100"]) as process:
        try:
            error = complaint(process.pid)
        finally:
            process.kill()

    assert isinstance(error, NotPython)
    assert str(process.pid) in str(error)


def test_attach_to_a_thread_names_its_process(current_interpreter: Interpreter) -> None:
    with busy_target(current_interpreter) as target:
        error = complaint(target.info["ids"]["sleep"])

    assert isinstance(error, ProcessNotFound)
    assert f"thread of process {target.pid}" in str(error)


REFUSED = """
import os, sys
import nbspy
from nbspy import observe
from nbspy.sampling import snapshot
from nbspy.target import linux, permissions
from nbspy.target.permissions import attempts, linux as _
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    nbspy.dump(int(sys.argv[1]))
except nbspy.NbspyError as err:
    print(type(err).__name__, err, sep="|")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: run the tests as root to have this")
def test_process_of_another_user_is_refused_in_one_clear_line(current_interpreter: Interpreter) -> None:
    with busy_target(current_interpreter) as target:
        finished = subprocess.run(
            [sys.executable, "-c", REFUSED, str(target.pid)], capture_output=True, text=True, timeout=60, check=False
        )

    assert finished.stderr == ""
    [line] = finished.stdout.splitlines()
    assert line.startswith("PermissionRefused|")
    assert "another user" in line
    assert "uid 0" in line or "root" in line


def test_process_sees_itself_from_outside() -> None:
    environment = {"PYTHONPATH": os.pathsep.join([str(TARGETS.parent.parent), *filter(None, sys.path)])}
    with start_target(sys.executable, "attach_self.py", env=environment) as target:
        assert target.info["error"] is None
        assert target.info["seen"]["busy_function"] >= 20
        [(_, frames)] = [own for own in target.info["own"] if own[0] == "MainThread"]
        assert frames[-1] == "<module>"


def test_thirty_sessions_leave_nothing_behind(current_interpreter: Interpreter) -> None:
    with busy_target(current_interpreter) as target:
        us, them = psutil.Process(), psutil.Process(target.pid)
        nbspy.attach(target.pid).stop()

        def held() -> tuple[int, ...]:
            return (us.num_fds(), us.num_threads(), len(us.children()), them.num_fds(), them.num_threads())

        before = held()
        for number in range(30):
            session = nbspy.attach(target.pid, rate=500, nonblocking=bool(number % 2))
            session.stop()
            assert session.error is None
        deadline = time.monotonic() + 10
        while grown(before, held()) and time.monotonic() < deadline:
            time.sleep(0.01)  # a thread that was joined may be about to leave the system's list
        assert not grown(before, held())
        assert [child.pid for child in us.children()] == [target.pid]
        check_unharmed(target)
