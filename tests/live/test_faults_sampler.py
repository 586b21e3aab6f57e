"""What happens to samplers: their target is unharmed, and what was seen is kept.

That a sampler is killed at any moment, that its kernel is, and that the disk is full is in ``test_sampler_live.py`` and
``test_recordings_live.py``.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

import nbspy
from nbspy.errors import SamplerFailed, TargetEnded
from nbspy.model.builder import profile_from_stream
from nbspy.options import SamplingOptions
from nbspy.sampler_process import module_environment, running_samplers, sampler_command, sampler_environment
from nbspy.session import Session

from .interpreters import Interpreter, Target, start_target
from .sessions import ENOUGH, check_counts, check_unharmed, function_names, grown, wait_for_samples

SUSPENDED_S = 2

STOP_AND_WAIT = """
import sys, time
from nbspy.target.linux_ptrace import LinuxThreadStopper
stopper = LinuxThreadStopper(int(sys.argv[1]))
outcomes = stopper.stop_all([int(thread) for thread in sys.argv[2:]])
print([outcome.name for outcome in outcomes], flush=True)
time.sleep(1000)
"""


def test_sampler_killed_while_the_target_is_stopped(current_interpreter: Interpreter) -> None:
    with start_target(current_interpreter.path, "faults.py", "forking") as target:
        threads = [task.name for task in Path(f"/proc/{target.pid}/task").iterdir()]
        command = [sys.executable, "-c", STOP_AND_WAIT, str(target.pid), *threads]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=module_environment()) as tracer:
            assert tracer.stdout is not None
            assert tracer.stdout.readline().decode().strip() == str(["STOPPED"] * len(threads))
            assert psutil.Process(target.pid).status() == psutil.STATUS_TRACING_STOP
            tracer.kill()
            tracer.wait()
        check_unharmed(target)


def hold_while_stopped(session: Session, target: Target) -> int:
    """Let the session's sampler stand still, by signal, while the target stands in its stop; return its pid."""
    [sampler] = running_samplers()
    main = Path(f"/proc/{target.pid}/task/{target.info['working_task']}/stat")

    def stands() -> bool:
        return main.read_bytes().rpartition(b")")[2].split()[0] == b"t"

    while True:
        assert session.running, session.error
        if stands():
            os.kill(sampler.pid, signal.SIGSTOP)
            while psutil.Process(sampler.pid).status() != psutil.STATUS_STOPPED:
                pass
            if stands():
                return sampler.pid
            os.kill(sampler.pid, signal.SIGCONT)


def test_session_whose_sampler_is_killed_while_the_target_is_stopped(current_interpreter: Interpreter) -> None:
    """Not by us: the kernel lets go what a dead tracer held, whatever this one was about to do."""
    with start_target(current_interpreter.path, "faults.py", "reuse_of_codes") as target:
        with nbspy.attach(target.pid, rate=5000) as session:
            wait_for_samples(session)
            os.kill(hold_while_stopped(session, target), signal.SIGKILL)
            profile = session.wait(60)
        check_unharmed(target)

    assert isinstance(session.error, SamplerFailed)
    assert "SIGKILL" in str(session.error)
    assert profile.sample_count >= ENOUGH
    assert session.recording is not None
    assert nbspy.load(session.recording).thread_sample_count >= profile.thread_sample_count > 0


def test_session_whose_target_is_killed_while_it_is_stopped(current_interpreter: Interpreter) -> None:
    with start_target(current_interpreter.path, "faults.py", "reuse_of_codes") as target:
        with nbspy.attach(target.pid, rate=5000) as session:
            wait_for_samples(session)
            sampler = hold_while_stopped(session, target)
            target.process.kill()
            os.kill(sampler, signal.SIGCONT)
            profile = session.wait(60)
        assert target.process.wait(30) == -signal.SIGKILL

    assert isinstance(session.error, TargetEnded)
    check_counts(profile)
    assert profile.sample_count >= ENOUGH


def test_machine_that_is_suspended_for_seconds(current_interpreter: Interpreter) -> None:
    """Both stand still, and wake up together: what was missed is neither made up for nor taken for one long sample
    of too little weight."""
    with start_target(current_interpreter.path, "faults.py", "forking") as target:
        with nbspy.attach(target.pid, rate=200, nonblocking=True) as session:
            wait_for_samples(session)
            [sampler] = running_samplers()
            os.kill(sampler.pid, signal.SIGSTOP)
            os.kill(target.pid, signal.SIGSTOP)
            seen, began = session.sample_count, time.monotonic()
            while time.monotonic() < began + SUSPENDED_S:
                session.stream.wait_beyond(session.stream.size, timeout=0.1)
            missed = session.sample_count - seen
            os.kill(target.pid, signal.SIGCONT)
            os.kill(sampler.pid, signal.SIGCONT)
            woke = time.monotonic()
            wait_for_samples(session)
            profile = session.stop()
            awake_s = time.monotonic() - woke
        check_unharmed(target)

    assert session.error is None
    check_counts(profile)
    assert missed <= 0.2 * 200 + 1, "what was on its way when it was stopped"
    assert profile.sample_count - seen <= missed + 1.2 * 200 * awake_s + 5, "nothing is made up for"
    assert profile.status is not None
    assert profile.status.late >= 1
    for thread in profile.threads:
        runs = profile.runs
        told_ns = 1000 * sum(w for w, t in zip(runs.weight_us, runs.thread, strict=True) if t == thread.id)
        assert abs(told_ns - profile.duration_ns) < 10**8, "the time it slept is told"
        assert told_ns > SUSPENDED_S * 10**9


def test_two_samplers_on_one_target(current_interpreter: Interpreter) -> None:
    with start_target(current_interpreter.path, "faults.py", "forking") as target:
        with nbspy.attach(target.pid, rate=500) as first, nbspy.attach(target.pid, rate=500) as second:
            wait_for_samples(first, 100)
            wait_for_samples(second, 100)
            profiles = [first.stop(), second.stop()]
        check_unharmed(target)

    assert first.error is second.error is None
    for profile in profiles:
        assert profile.status is not None
        assert sum(profile.runs.count) == profile.status.thread_samples
        assert "spin" in function_names(profile)
        # The one that meets the other says so, and goes on without stopping the target.
        assert all("already traces it" in notice.text for notice in profile.notices)


def held(*processes: psutil.Process) -> list[int]:
    return [count for one in processes for count in (one.num_fds(), one.num_threads(), len(one.children()))]


def test_100_rounds_of_attach_and_detach_leak_nothing(current_interpreter: Interpreter) -> None:
    us = psutil.Process()
    with start_target(current_interpreter.path, "faults.py", "many_threads", "4") as target:
        them = psutil.Process(target.pid)
        for _ in range(10):
            nbspy.dump(target.pid)
        before, memory = held(us, them), [us.memory_info().rss, them.memory_info().rss]
        for number in range(100):
            assert len(nbspy.dump(target.pid, nonblocking=bool(number % 2))) == 6
        deadline = time.monotonic() + 10
        while grown(before, held(us, them)) and time.monotonic() < deadline:
            time.sleep(0.01)  # a thread that was joined may be about to leave the system's list
        assert not grown(before, held(us, them))
        more = [us.memory_info().rss - memory[0], them.memory_info().rss - memory[1]]
        check_unharmed(target)

    assert more[0] < 4 << 20, "a leak of 40 KiB a round would be seen"
    assert more[1] < 1 << 20


def test_pipe_that_nobody_reads(current_interpreter: Interpreter) -> None:
    """The sampler neither waits nor loses a sample, and the target does not notice."""
    with start_target(current_interpreter.path, "faults.py", "unmapping", "60") as target:
        command = sampler_command(target.pid, SamplingOptions(rate=1000, duration=2.0, recording=False), 0)
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=sampler_environment(), bufsize=0
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process:
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
            process.stdin.write(b"go\n")
            begun = os.read(process.stdout.fileno(), 1)
            [before] = target.ask("counter")
            while process.poll() is None and target.ask("counter") < [before + 100_000]:
                pass
            rest = process.stdout.read()
            profile = profile_from_stream(begun + rest)
            process.stdin.close()
        check_unharmed(target)

    check_counts(profile)
    assert profile.end is not None
    assert profile.end.reason == "duration"
    assert len(rest) > 4096, "the pipe was never full"
