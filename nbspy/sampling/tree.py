"""What a sampler begins with: one attached process, or the tree below one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from nbspy.cpython.runtime import Runtime
from nbspy.errors import NotPython
from nbspy.host import host
from nbspy.sampling.attach import attached, launched_runtime, started_runtime
from nbspy.sampling.subprocesses import Subprocesses
from nbspy.target import open_target, watch_processes
from nbspy.target.process import Target

Opened = tuple[Target, Runtime | None, Subprocesses | None]
"""The target; its Python, None where it runs none (yet) and only those below it may; and what finds those."""


@contextmanager
def attached_alone(pid: int, *, launched: bool = False) -> Iterator[Opened]:
    """Attach to one process; raises what :func:`nbspy.sampling.attach.attached` does.

    ``launched``: it has only just been started, and may not yet be what it is to become.
    """
    if not launched:
        with attached(pid) as (target, runtime):
            yield target, runtime, None
        return
    target = open_target(pid)
    try:
        yield target, launched_runtime(target), None
    finally:
        target.close()


@contextmanager
def attached_tree(pid: int, *, launched: bool = False) -> Iterator[Opened]:
    """Attach to a process and make ready to follow those that it has started, and starts from now on.

    Where it runs no Python itself (a shell that starts Python) there must be processes below it, unless it was
    ``launched`` just now. Raises what :func:`nbspy.sampling.attach.attached` does.
    """
    _permit_many_files()
    target = open_target(pid)
    try:
        runtime: Runtime | None = None
        try:
            runtime = None if launched else started_runtime(target)
        except NotPython:
            if pid not in (watch_processes().poll() or {}).values():
                raise
        own = frozenset({os.getpid()})
        tree = Subprocesses(pid, watch_processes(), excluded=own, root_is_followed=runtime is not None)
        yield target, runtime, tree
    finally:
        target.close()


def _permit_many_files() -> None:
    """Each process takes a few open files, and one more a thread."""
    host.permit_many_files()
    # One of the stoppers is closed before the others: what they listen for stays blocked until all are.
    host.block_signals(of_children=True)
