"""What happens to a target while it is sampled: it stays unharmed, and what was seen is kept.

That it ends, is killed, becomes another program or stands still by signal is in ``test_sampler_live.py``.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import psutil
import pytest

import nbspy
from nbspy.errors import TargetEnded
from nbspy.model.profile import Profile
from nbspy.target.linux_ptrace import LinuxThreadStopper
from nbspy.target.own_thread import in_own_thread
from nbspy.target.process import StopOutcome

from .interpreters import Interpreter, start_target
from .sessions import (
    ENOUGH,
    check_counts,
    check_left_running,
    check_unharmed,
    check_untraced,
    function_names,
    wait_for_samples,
)

both_modes = pytest.mark.parametrize("nonblocking", [False, True], ids=["blocking", "nonblocking"])


def test_forks_are_told_apart(current_interpreter: Interpreter) -> None:
    with start_target(current_interpreter.path, "faults.py", "forking") as target:
        with nbspy.attach(target.pid, rate=300) as session:
            wait_for_samples(session)
            [child] = target.ask("fork")
            try:
                wait_for_samples(session)
                with nbspy.attach(child, rate=300) as of_child:
                    wait_for_samples(of_child)
                    childs = of_child.stop()
                    check_left_running(child)
                parent = session.stop()
            finally:
                os.kill(child, signal.SIGKILL)
        check_unharmed(target)

    check_counts(parent)
    check_counts(childs)
    assert session.error is of_child.error is None
    assert "work_of_the_parent" in function_names(parent)
    assert "work_of_the_child" not in function_names(parent)
    assert "work_of_the_child" in function_names(childs)
    assert "work_of_the_parent" not in function_names(childs)


@pytest.mark.newest(3, 10)  # later ones tell their threads' ids themselves
def test_child_that_was_forked_shows_none_of_its_parents_other_threads(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "faults.py", "many_threads", "8") as target:
        [child] = target.ask("fork with threads")
        try:
            traces = nbspy.dump(child)
            with nbspy.attach(child, rate=200) as session:
                wait_for_samples(session)
                profile = session.stop()
            check_untraced(child)
        finally:
            os.kill(child, signal.SIGKILL)
        check_unharmed(target)

    leaves = {trace.frames[0].name for trace in traces}
    assert len(traces) == 2
    assert leaves & {"turn", "work_of_the_child"}
    assert leaves & {"after_the_fork"}
    assert all(trace.os_thread_id for trace in traces)
    check_counts(profile)
    assert "wait" not in function_names(profile)
    assert {"work_of_the_child", "after_the_fork"} <= function_names(profile)


@both_modes
def test_pid_that_another_gets_at_once_lends_it_no_sample(current_interpreter: Interpreter, nonblocking: bool) -> None:
    if not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK) or os.geteuid():
        pytest.skip("needs root, which may say which pid is next")
    with start_target(current_interpreter.path, "faults.py", "standing_in") as target:
        [pid] = target.ask("first")
        with nbspy.attach(pid, rate=25, nonblocking=nonblocking) as session:  # slower than a life begins
            wait_for_samples(session, 5)
            try:
                if target.ask(f"second {pid}") != [True]:
                    pytest.skip("others took the pid each time")
                while session.running:
                    session.stream.wait_beyond(session.stream.size, timeout=1)
                profile = session.stop()
                check_left_running(pid)
            finally:
                os.kill(pid, signal.SIGKILL)

    assert isinstance(session.error, TargetEnded)
    check_counts(profile)
    assert "first_life" in function_names(profile)
    assert "second_life" not in function_names(profile)


def test_ends_while_stopped_by_us(current_interpreter: Interpreter) -> None:
    with start_target(current_interpreter.path, "faults.py", "forking") as target:

        def kill_what_stands() -> StopOutcome:
            stopper = LinuxThreadStopper(target.pid)
            assert stopper.stop(target.pid) is StopOutcome.STOPPED
            assert psutil.Process(target.pid).status() == psutil.STATUS_TRACING_STOP
            target.process.kill()
            stopper.resume(target.pid)  # no error: there is nobody left to let go
            assert target.process.wait(30) == -signal.SIGKILL
            outcome = stopper.stop(target.pid)
            stopper.close()
            return outcome

        assert in_own_thread(kill_what_stands) is StopOutcome.GONE


def test_killed_at_any_moment_of_fast_sampling(current_interpreter: Interpreter) -> None:
    for rate in (500, 5000):
        with start_target(current_interpreter.path, "faults.py", "forking") as target:
            session = nbspy.attach(target.pid, rate=rate)
            wait_for_samples(session)
            target.process.kill()
            profile = session.wait(60)
            assert isinstance(session.error, TargetEnded)
            assert target.process.wait(30) == -signal.SIGKILL
            check_counts(profile)


@pytest.mark.oldest(3, 12)
def test_interpreter_that_finalises_is_sampled_to_its_end(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "faults.py", "forking") as target:
        session = nbspy.attach(target.pid, rate=300)
        wait_for_samples(session)
        assert target.ask("end") == ["ending"]
        seen = session.status.time_ns if session.status else 0
        while session.running and (session.status is None or session.status.time_ns <= seen):
            session.stream.wait_beyond(session.stream.size, timeout=1)
        check_untraced(target.pid)
        target.send("go on")
        assert target.process.wait(30) == 0
        profile = session.wait(60)

    assert isinstance(session.error, TargetEnded | type(None))
    assert profile.sample_count >= ENOUGH
    assert "spin" in function_names(profile)
    check_counts(profile)


@both_modes
def test_memory_unmapped_while_it_is_read(current_interpreter: Interpreter, nonblocking: bool) -> None:
    with start_target(current_interpreter.path, "faults.py", "unmapping", "700") as target:
        with nbspy.attach(target.pid, rate=1000, nonblocking=nonblocking) as session:
            wait_for_samples(session, 5 * ENOUGH)
            profile = session.stop()
        check_unharmed(target)

    assert session.error is None
    check_counts(profile)
    assert "up_and_down" in function_names(profile)
    assert sampled_depth(profile) > 50


def sampled_depth(profile: Profile) -> int:
    """Return the depth of the deepest stack that was sampled."""
    depths = [0]
    for parent in profile.tables.nodes.parent[1:]:
        depths.append(depths[parent] + 1)
    return max(depths)


@pytest.mark.oldest(3, 12)
def test_code_objects_freed_and_reused_lend_no_name(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "faults.py", "reuse_of_codes") as target:
        with nbspy.attach(target.pid, rate=1000) as session:
            [begun] = target.ask("counter")
            wait_for_samples(session, 10 * ENOUGH)
            while target.ask("counter") < [begun + 40 * 200]:  # on a busy machine it may have had no processor yet
                wait_for_samples(session)
            profile = session.stop()
        check_unharmed(target)

    check_counts(profile)
    frames = map(profile.frame, range(len(profile.tables.frames)))
    made = {(frame.name, frame.first_line) for frame in frames if frame.name.startswith("made_")}
    assert len(made) > 3
    assert made <= {(f"made_{number}", number + 1) for number in range(97)}


def test_zombie_ends_the_session_and_what_was_seen_is_kept(current_interpreter: Interpreter) -> None:
    with start_target(current_interpreter.path, "faults.py", "forking") as target:
        session = nbspy.attach(target.pid, rate=300)
        wait_for_samples(session)
        target.process.kill()
        profile = session.wait(60)  # nobody has waited for the process: it is a zombie
        assert psutil.Process(target.pid).status() == psutil.STATUS_ZOMBIE

    assert isinstance(session.error, TargetEnded)
    check_counts(profile)


def test_stopped_and_continued_again_and_again_stays_as_its_owner_left_it(current_interpreter: Interpreter) -> None:
    with start_target(current_interpreter.path, "faults.py", "forking") as target:
        with nbspy.attach(target.pid, rate=500) as session:
            for _ in range(5):
                os.kill(target.pid, signal.SIGSTOP)
                wait_for_samples(session)
                assert re.search(r"^State:\s+[Tt]", Path(f"/proc/{target.pid}/status").read_text(), re.MULTILINE)
                os.kill(target.pid, signal.SIGCONT)
                wait_for_samples(session)
            profile = session.stop()
        check_unharmed(target)
    assert session.error is None
    check_counts(profile)
