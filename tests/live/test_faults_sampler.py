"""What happens to samplers: their target is unharmed, and what was seen is kept.

That a sampler is killed at any moment, that its kernel is, and that the disk is full is in ``test_sampler_live.py`` and
``test_recordings_live.py``.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

import nbspy
from nbspy.model.builder import profile_from_stream
from nbspy.options import SamplingOptions
from nbspy.sampler_process import module_environment, sampler_command

from .interpreters import Interpreter, start_target
from .sessions import check_counts, check_unharmed, function_names, grown, wait_for_samples

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
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=module_environment(), bufsize=0
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
