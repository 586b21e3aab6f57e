"""Parts of a profile's runs: by time, by thread, by state. A run that lies across a border is divided exactly."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from itertools import compress
from typing import Final

from nbspy.errors import UsageError
from nbspy.model.tables import ProcessInfo, RunColumns, Tables, ThreadInfo
from nbspy.wire import State

_RUNNING: Final = State.ACTIVE | State.GIL
_ALWAYS_NS: Final = 1 << 63
_SELDOM: Final = 100
"""Who is awake for less than one part of so many is idle: a thread that looks now and then whether there is work."""
_STATES: Final = {
    "idle": lambda state: not state & _RUNNING,
    "active": lambda state: bool(state & _RUNNING),
    "gil": lambda state: bool(state & State.GIL),
    "gil-wait": lambda state: bool(state & State.GIL_WAIT),
    "gc": lambda state: bool(state & State.GC),
    "exception": lambda state: bool(state & State.EXCEPTION),
    "finalizing": lambda state: bool(state & State.FINALIZING),
}
ACTIVE_STATES: Final = bytes(bool(state & _RUNNING) for state in range(256))
"""1 for each state in which a thread is active: it runs, or it holds the GIL."""
AWAKE_STATES: Final = bytes(bool(state & (_RUNNING | State.GIL_WAIT | State.GC)) for state in range(256))
"""1 for each state that is not idle: a thread that waits for the GIL, too, wants to run."""
GIL_STATES: Final = bytes(bool(state & State.GIL) for state in range(256))


def state_table(states: Iterable[str] | str) -> bytes:
    """Return 256 bytes, 1 for each state that any of the words names; raises :class:`UsageError`."""
    words = [states] if isinstance(states, str) else list(states)
    for word in words:
        if word not in _STATES:
            raise UsageError(f"no state is called {word!r}", f"states are {', '.join(_STATES)}")
    return bytes(any(_STATES[word](state) for word in words) for state in range(256))


def awake_threads(runs: RunColumns, time: tuple[int, int] | None = None) -> set[int]:
    """Return the threads that were awake for a hundredth of the time, or of the ``(start, end)`` in ns, or more.

    The same rule as ``idleThreads`` of js/src/model/thread-times.ts.
    """
    seen_ns: Counter[int] = Counter()
    awake_ns: Counter[int] = Counter()
    start, end = time or (0, _ALWAYS_NS)
    awake = runs.state.tobytes().translate(AWAKE_STATES)
    for thread, start_ns, weight_us, is_awake in zip(runs.thread, runs.start_ns, runs.weight_us, awake, strict=True):
        weight_ns = min(start_ns + 1000 * weight_us, end) - max(start_ns, start)
        if weight_ns > 0:
            seen_ns[thread] += weight_ns
            if is_awake:
                awake_ns[thread] += weight_ns
    return {thread for thread, ns in awake_ns.items() if ns * _SELDOM >= seen_ns[thread]}


def thread_table(
    wanted: Iterable[ThreadInfo | int | str] | ThreadInfo | int | str, threads: tuple[ThreadInfo, ...]
) -> bytes:
    """Return 1 for each thread that is wanted: itself, by its OS thread id (or ``thread_id``), or by its name.

    Raises :class:`UsageError` where an id or name fits none.
    """
    table = bytearray(len(threads))
    for one in [wanted] if isinstance(wanted, (int, str, ThreadInfo)) else wanted:
        fitting = [
            thread.id
            for thread in threads
            if (isinstance(one, ThreadInfo) and thread.id == one.id)
            or (isinstance(one, str) and one in (thread.name, thread.shown_name))
            or (isinstance(one, int) and one in (thread.os_thread_id, thread.thread_id))
        ]
        if not fitting:
            known = ", ".join(sorted({thread.shown_name for thread in threads})) or "none"
            raise UsageError(f"no thread fits {one!r}", f"threads are {known}")
        for thread_id in fitting:
            table[thread_id] = 1
    return bytes(table)


def process_table(
    wanted: Iterable[ProcessInfo | int] | ProcessInfo | int,
    processes: tuple[ProcessInfo, ...],
    threads: tuple[ThreadInfo, ...],
) -> bytes:
    """Return 1 for each thread whose process is wanted: itself, or by its pid; raises :class:`UsageError`."""
    fitting: set[int] = set()
    for one in [wanted] if isinstance(wanted, (int, ProcessInfo)) else wanted:
        found = {p.id for p in processes if (p.id == one.id if isinstance(one, ProcessInfo) else p.pid == one)}
        if not found:
            known = ", ".join(str(process.pid) for process in processes) or "none"
            raise UsageError(f"no process fits {one!r}", f"processes are {known}")
        fitting |= found
    return bytes(thread.process.id in fitting for thread in threads)


def filtered(runs: RunColumns, threads: bytes | None, states: bytes | None) -> RunColumns:
    """Return the runs whose thread and whose state have a 1 in their table."""
    wanted: bytes | None = runs.state.tobytes().translate(states) if states is not None else None
    if threads is not None:
        of_threads = bytes([threads[thread] for thread in runs.thread])
        wanted = bytes(map(int.__and__, wanted, of_threads)) if wanted is not None else of_threads
    return runs if wanted is None else chosen_rows(runs, wanted)


def through_functions(
    runs: RunColumns, tables: Tables, through: Iterable[str] | str, without: Iterable[str] | str
) -> RunColumns:
    """Return the runs whose stacks have all of ``through``, each below the one before it, and none of ``without``."""
    wanted, unwanted = (((names,) if isinstance(names, str) else tuple(names)) for names in (through, without))
    strings, frames, nodes = tables.strings, tables.frames, tables.nodes

    def called(frame: int) -> tuple[str, str]:
        return strings[frames.name[frame]], strings[frames.qualname[frame]]

    count = len(nodes)
    passed, dropped = array("I", bytes(4 * count)), bytearray(count)
    for node in range(1, count):
        parent, names = nodes.parent[node], called(nodes.frame[node])
        passed[node], dropped[node] = passed[parent], dropped[parent]
        while passed[node] < len(wanted) and wanted[passed[node]] in names:
            passed[node] += 1
        if any(name in names for name in unwanted):
            dropped[node] = 1
    fits = bytes(passed[node] == len(wanted) and not dropped[node] for node in range(count))
    return chosen_rows(runs, bytes(fits[node] for node in runs.node))


def chosen_rows(runs: RunColumns, wanted: bytes | bytearray) -> RunColumns:
    """Return the runs whose row in ``wanted`` is not 0."""
    return RunColumns(
        array("Q", compress(runs.start_ns, wanted)),
        array("I", compress(runs.thread, wanted)),
        array("I", compress(runs.node, wanted)),
        array("B", compress(runs.state, wanted)),
        array("I", compress(runs.count, wanted)),
        array("I", compress(runs.weight_us, wanted)),
    )


def between(runs: RunColumns, start_ns: int, end_ns: int) -> RunColumns:
    """Return the samples taken in ``[start_ns, end_ns)``.

    The samples of a run are taken to lie evenly over its weight, the first at its start. Neighbouring ranges
    divide its samples and its weight without rest or overlap.
    """
    part = RunColumns()
    columns = (runs.start_ns, runs.thread, runs.node, runs.state, runs.count, runs.weight_us)
    for start, thread, node, state, count, weight_us in zip(*columns, strict=True):
        first = _samples_before(start_ns - start, count, weight_us)
        last = _samples_before(end_ns - start, count, weight_us)
        if first >= last:
            continue
        begin_us, stop_us = weight_us * first // count, weight_us * last // count
        part.start_ns.append(start + begin_us * 1000)
        part.thread.append(thread)
        part.node.append(node)
        part.state.append(state)
        part.count.append(last - first)
        part.weight_us.append(stop_us - begin_us)
    return part


def _samples_before(offset_ns: int, count: int, weight_us: int) -> int:
    """Return how many of a run's samples lie before ``offset_ns`` after its start."""
    if offset_ns <= 0:
        return 0
    if offset_ns > weight_us * 1000 or not weight_us:
        return count
    return min(count, -(-offset_ns * count // (weight_us * 1000)))
