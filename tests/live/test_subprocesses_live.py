"""Trees of processes: found, followed, told apart, kept when they are gone; with the pools that people use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

import nbspy
from nbspy.errors import NotPython, TargetEnded
from nbspy.model.profile import Profile
from nbspy.session import Session

from .interpreters import Interpreter, Target, start_target

WORKERS: Final = 3
ENOUGH: Final = 5
"""Samples of a process in its own work, after which it has been seen."""
PATIENCE_S: Final = 60.0


@contextmanager
def watched(python: str | os.PathLike[str], kind: str, stop: Path, **options: Any) -> Iterator[tuple[Target, Session]]:
    """Start a tree of workers below a target that is sampled with its subprocesses."""
    with (
        start_target(python, "worker_trees.py", kind, str(stop)) as target,
        nbspy.attach(target.pid, rate=100, subprocesses=True, **options) as session,
    ):
        try:
            target.send("begin")
            yield target, session
        finally:
            stop.touch()
            Path(f"{stop}.first").touch()


def begun(target: Target, number: int = WORKERS) -> dict[int, int]:
    """Return the workers that have begun to spin, each with the time when it did."""
    told = [target.read_json(PATIENCE_S) for _ in range(number)]
    assert {words[0] for words in told} == {"worker"}
    return {pid: at_ns for _, pid, at_ns in told}


def wait_for(session: Session, seen: Callable[[Profile], bool]) -> Profile:
    deadline = time.monotonic() + PATIENCE_S
    while not seen(profile := session.profile):
        assert session.running, session.error
        assert time.monotonic() < deadline, [process.command_line for process in profile.processes]
        session.stream.wait_beyond(session.stream.size, timeout=1)
    return profile


def samples_in(profile: Profile, pid: int, function: str) -> int:
    """Return the samples of a process that have the function on their stack; 0 where it is not there."""
    if pid not in {process.pid for process in profile.processes}:
        return 0
    stacks = profile.select(processes=pid).stacks()
    return sum(stack.count for stack in stacks if any(frame.name.endswith(function) for frame in stack.frames))


def all_spin(pids: Iterator[int] | set[int]) -> Callable[[Profile], bool]:
    wanted = set(pids)
    return lambda profile: all(samples_in(profile, pid, "spin") >= ENOUGH for pid in wanted)


def check_tree(target: Target, profile: Profile, workers: set[int]) -> None:
    """Each worker is a process of its own, below the target; who is no Python is none; the counts agree."""
    rows = {process.pid: process for process in profile.processes}
    assert workers <= rows.keys()
    assert target.info["other"] not in rows, "it runs no Python"
    for pid in workers:
        above = rows[pid]
        while above.pid != target.pid:
            above = rows[above.parent_pid]
        assert rows[pid].ended_ns is not None, "it is gone, and kept"
    assert not samples_in(profile, target.pid, "spin")
    roots = {stack.frames[0].name for stack in profile.told_apart().stacks()}
    assert {root.partition(":")[0] for root in roots} >= {f"process {pid}" for pid in workers}
    assert profile.status is not None
    assert sum(profile.runs.count) == profile.status.thread_samples


KINDS = ("fork", "spawn", "forkserver", "futures", "joblib", "loaders")


@pytest.mark.parametrize("kind", KINDS)
def test_given_a_pool_when_its_target_is_sampled_then_each_worker_is_told_apart(kind: str, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    with watched(sys.executable, kind, stop) as (target, session):
        workers = set(begun(target))
        assert len(workers) == WORKERS
        wait_for(session, all_spin(workers))
        stop.touch()
        assert target.read_json(PATIENCE_S) == ["done"]
        assert target.process.stdin is not None
        target.process.stdin.close()
        profile = session.wait(PATIENCE_S)
    assert isinstance(session.error, TargetEnded)
    check_tree(target, profile, workers)


def test_given_a_target_that_forks_then_parent_and_children_are_told_apart(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    stop = tmp_path / "stop"
    with watched(interpreter.path, "forks", stop) as (target, session):
        workers = set(begun(target))
        wait_for(session, all_spin(workers))
        stop.touch()
        assert target.read_json(PATIENCE_S) == ["done"]
        wait_for(session, lambda seen: sum(row.ended_ns is not None for row in seen.processes) == WORKERS)
        profile = session.stop()
    check_tree(target, profile, workers)
    version = ".".join(map(str, interpreter.version))
    assert {process.python_version for process in profile.processes} == {version}


def test_given_a_target_that_forks_when_it_is_sampled_alone_then_its_children_are_not_there(
    current_interpreter: Interpreter, tmp_path: Path
) -> None:
    stop = tmp_path / "stop"
    with (
        start_target(current_interpreter.path, "worker_trees.py", "forks", str(stop)) as target,
        nbspy.attach(target.pid, rate=200) as session,
    ):
        target.send("begin")
        begun(target)
        wait_for(session, lambda profile: samples_in(profile, target.pid, "forks") >= ENOUGH)
        stop.touch()
        profile = session.stop()
    assert [process.pid for process in profile.processes] == [target.pid]
    assert not samples_in(profile, target.pid, "spin")


def test_given_children_that_begin_when_they_are_timed_then_they_are_found_soon(
    current_interpreter: Interpreter, tmp_path: Path
) -> None:
    """That it is within 100 ms of the sampler's own time is held by the unit test; here others may run."""
    stop = tmp_path / "stop"
    with watched(current_interpreter.path, "forks", stop) as (target, session):
        workers = begun(target)
        profile = wait_for(session, all_spin(set(workers)))
    found = {process.pid: process.started_ns + profile.hello.clock_origin_ns for process in profile.processes}
    delays = [(found[pid] - at_ns) / 1e6 for pid, at_ns in workers.items()]
    assert min(delays) < 2000, delays


def test_given_a_child_that_becomes_another_program_then_it_is_read_anew(
    current_interpreter: Interpreter, tmp_path: Path
) -> None:
    stop = tmp_path / "stop"
    with watched(current_interpreter.path, "execs", stop) as (target, session):
        (child,) = begun(target, 1)
        wait_for(session, all_spin({child}))
        Path(f"{stop}.first").touch()
        assert set(begun(target, 1)) == {child}

        def is_seen_again(profile: Profile) -> bool:
            rows = [process for process in profile.processes if process.pid == child]
            again = [row for row in rows if "again" in row.command_line]
            return bool(again) and profile.select(processes=again).thread_sample_count >= ENOUGH

        profile = wait_for(session, is_seen_again)
    first, *_, last = [process for process in profile.processes if process.pid == child]
    assert first.ended_ns is not None
    assert last.ended_ns is None
    assert " again " in last.command_line


def test_given_a_shell_that_starts_python_when_it_is_sampled_then_what_it_starts_is() -> None:
    code = "import sys; print('ready', flush=True); sys.stdin.read()"
    command = ["sh", "-c", f'"{sys.executable}" -c "{code}"; true']
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        with pytest.raises(NotPython):
            nbspy.attach(shell.pid)
        with nbspy.attach(shell.pid, subprocesses=True) as session:
            profile = wait_for(session, lambda profile: profile.thread_sample_count >= ENOUGH)
            assert shell.stdin is not None
            shell.stdin.close()
            session.wait(PATIENCE_S)
    assert isinstance(session.error, TargetEnded)
    assert profile.hello.pid == shell.pid
    (process,) = profile.processes
    assert (process.parent_pid, process.python_version) == (shell.pid, sys.version.split()[0])


def test_given_gunicorn_when_its_master_is_sampled_then_its_workers_are_and_the_one_that_replaces_another(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.py").write_text("def app(environ, start):\n    start('200 OK', [])\n    return [b'hello']\n")
    socket = tmp_path / "socket"
    command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", f"unix:{socket}", "app:app"]
    master = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        with _attached_soon(master.pid) as session:

            def workers(profile: Profile) -> set[int]:
                rows = [p for p in profile.processes if p.parent_pid == master.pid and p.ended_ns is None]
                return {row.pid for row in rows if samples_in(profile, row.pid, "init_process")}

            first = workers(wait_for(session, lambda profile: len(workers(profile)) == 2))
            os.kill(min(first), signal.SIGKILL)
            profile = wait_for(session, lambda profile: len(workers(profile) - first) == 1)
            rows = {process.pid: process for process in profile.processes}
            assert rows[min(first)].ended_ns is not None
            assert not samples_in(profile, master.pid, "init_process")
    finally:
        master.terminate()
        master.wait(PATIENCE_S)


@contextmanager
def _attached_soon(pid: int) -> Iterator[Session]:
    """Attach to a program that has only just been started."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            session = nbspy.attach(pid, rate=50, subprocesses=True)
        except NotPython:  # it has not yet become Python
            assert time.monotonic() < deadline
            continue
        break
    with session:
        yield session
