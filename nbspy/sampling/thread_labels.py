"""Names of threads: from ``threading`` where the target uses it, else from the operating system."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final

from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_list import TrackedThread
from nbspy.cpython.thread_names import thread_names
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.process import Target

SOON_NS: Final = 500_000_000
"""A thread is often named, or known to ``threading``, only after it has begun."""
LATER_NS: Final = 5_000_000_000
_OFTEN: Final = 20
_SELDOM: Final = 200
"""Reading the names of many threads takes long: at most one of so many parts of time, if threads are new and else."""


class ThreadLabels:
    """Looks names up now and then, and tells which are new."""

    def __init__(self, target: Target, runtime: Runtime) -> None:
        self._target = target
        self._runtime = runtime
        self._told: dict[TrackedThread, str] = {}
        self._next_ns = 0
        self._rests_until_ns = 0
        self._again = True

    def threads_changed(self) -> None:
        """Look again at the next opportunity, and once more soon after."""
        self._next_ns = 0
        self._again = True

    def rested(self) -> None:
        """Do not put off any longer what is due."""
        self._rests_until_ns = 0

    def changed(self, threads: Sequence[TrackedThread], now_ns: int) -> Iterator[tuple[TrackedThread, str]]:
        """Yield the threads whose name is new, with it; "" for a thread without a name."""
        if now_ns < self._next_ns or now_ns < self._rests_until_ns:
            return
        again, self._again = self._again, False
        began_ns = time.monotonic_ns()
        names = self.names(threads)
        cost_ns = time.monotonic_ns() - began_ns
        self._rests_until_ns = now_ns + cost_ns * _OFTEN
        self._next_ns = now_ns + (max(SOON_NS, cost_ns * _OFTEN) if again else max(LATER_NS, cost_ns * _SELDOM))
        self._told = {thread: self._told[thread] for thread in threads if thread in self._told}
        for thread in threads:
            name = names[thread]
            if self._told.get(thread) != name:
                self._told[thread] = name
                yield thread, name

    def names(self, threads: Sequence[TrackedThread]) -> dict[TrackedThread, str]:
        """Return the name of each thread."""
        found: dict[tuple[int, int], str] = {}
        for interpreter in {thread.interpreter.address: thread.interpreter for thread in threads}.values():
            try:
                named = thread_names(self._target.memory, self._runtime.layout, interpreter.modules)
            except (MemoryFault, CorruptTarget):
                # The dict was being changed while it was read; the next look will do.
                self._again = True
                continue
            found.update({(interpreter.address, ident): name for ident, name in named.items()})
        process_name = self._target.thread_name(self._target.pid)
        names = {}
        for thread in threads:
            name = found.get((thread.interpreter.address, thread.state.thread_id), "")
            if not name and thread.host_id == self._target.pid:
                name = "MainThread"
            elif not name:
                system_name = self._target.thread_name(thread.host_id)
                name = system_name if system_name != process_name else ""
            names[thread] = name
        return names
