"""Attaching: from a pid to a target whose Python is known and has begun to run."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nbspy.cpython.runtime import Runtime, locate
from nbspy.cpython.thread_state import TooManyThreads, read_interpreters
from nbspy.errors import CorruptTarget, MemoryFault, NotPython
from nbspy.target import open_target
from nbspy.target.process import Target

START_PATIENCE_NS: Final = 2_000_000_000
"""How long a process may take from its exec to its first thread state; an idle machine needs 10 ms."""
_POLL_S: Final = 0.01


@contextmanager
def attached(pid: int) -> Iterator[tuple[Target, Runtime]]:
    """Open the process ``pid`` and find its Python.

    A process that has only just begun is given :data:`START_PATIENCE_NS`. Raises ProcessNotFound, NotPython,
    UnsupportedPython, PermissionRefused, TargetEnded, or TooManyThreads.
    """
    target = open_target(pid)
    try:
        yield target, _started_runtime(target)
    finally:
        target.close()


def _started_runtime(target: Target) -> Runtime:
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
