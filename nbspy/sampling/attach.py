"""Attaching: from a pid to a target whose Python is known and has begun to run."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nbspy.cpython.runtime import Runtime, locate
from nbspy.cpython.thread_state import ThreadState, TooManyThreads, read_interpreters
from nbspy.errors import CorruptTarget, MemoryFault, NotPython, UnsupportedPython
from nbspy.target import open_target
from nbspy.target.process import Target

START_PATIENCE_NS: Final = 2_000_000_000
"""How long a process may take from its exec to its first thread state; an idle machine needs 10 ms."""
_POLL_S: Final = 0.01
_SOON_S: Final = 0.001
_SAMPLER: Final = "nbspy.sampling.worker"


class Starting(NotPython):
    """There is a Python in the process, and it does not run yet; or the process is still its parent's image."""


@contextmanager
def attached(pid: int) -> Iterator[tuple[Target, Runtime]]:
    """Open the process ``pid`` and find its Python.

    A process that has only just begun is given :data:`START_PATIENCE_NS`. Raises ProcessNotFound, NotPython,
    UnsupportedPython, PermissionRefused, TargetEnded, or TooManyThreads.
    """
    target = open_target(pid)
    try:
        yield target, started_runtime(target)
    finally:
        target.close()


def attach_now(pid: int) -> tuple[Target, Runtime]:
    """Open the process ``pid`` and find its Python, without waiting for it to begin; whoever calls closes the target.

    Raises :class:`Starting` or CorruptTarget where it may be read a little later, and what :func:`attached` raises. A
    sampler of nbspy is said to be no Python: nobody means it.
    """
    target = open_target(pid)
    try:
        if _SAMPLER in target.command_line():
            raise NotPython(f"process {pid} is a sampler of nbspy")
        runtime = locate(target)
        threads = [
            thread for interpreter in read_interpreters(target.memory, runtime) for thread in interpreter.threads
        ]
        if not threads or not _are_its_own(target, runtime, threads):
            raise Starting(f"the Python in process {pid} does not run yet")
    except BaseException:
        target.close()
        raise
    return target, runtime


def _are_its_own(target: Target, runtime: Runtime, threads: list[ThreadState]) -> bool:
    """False in the child of a vfork: until it becomes another program, its memory and its threads are its parent's.

    Before 3.11 that cannot be told by the thread states.
    """
    if runtime.layout.thread_state.native_thread_id is None:
        return True
    present = set(target.thread_ids())
    return any(target.host_thread_id(thread.native_thread_id) in present for thread in threads)


def started_runtime(target: Target) -> Runtime:
    """Find the Python of ``target``; it is given :data:`START_PATIENCE_NS` to begin. Raises as :func:`attached`."""
    deadline = time.monotonic_ns() + START_PATIENCE_NS
    while True:
        runtime = locate(target)
        problem = "its interpreter has no threads"
        try:
            if any(interpreter.threads for interpreter in read_interpreters(target.memory, runtime)):
                return runtime
        except TooManyThreads:
            raise
        except (MemoryFault, CorruptTarget) as err:
            problem = str(err)
        if time.monotonic_ns() > deadline:
            raise NotPython(
                f"the Python in process {target.pid} does not run ({problem})",
                "is it still starting, or just ending? try again",
            )
        time.sleep(_POLL_S)


def command_line(target: Target) -> str:
    """Return the target's command line, quoted as a shell would take it."""
    return shlex.join(target.command_line())


def launched_runtime(target: Target) -> Runtime:
    """Find the Python of a process that was started just now, as soon as it begins.

    Until then it may be what started it, without its libraries, or of no version yet. Raises as :func:`attached`.
    """
    deadline = time.monotonic_ns() + START_PATIENCE_NS
    while True:
        try:
            runtime = locate(target)
            if any(interpreter.threads for interpreter in read_interpreters(target.memory, runtime)):
                return runtime
        except (MemoryFault, CorruptTarget, NotPython, UnsupportedPython):
            if time.monotonic_ns() > deadline:
                raise
        else:
            if time.monotonic_ns() > deadline:
                raise NotPython(f"the Python in process {target.pid} does not begin to run")
        time.sleep(_SOON_S)
