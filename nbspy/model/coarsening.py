"""Fewer rows for the same samples: the resolution in time halves, then that of the stacks; counts and times stay exact.

Equal runs of a thread (one leaf, one state) within a window of time become one; the window doubles until so few are
left as are wanted. Inside a window each thread's runs are laid one after the other, so that a timeline still shows
what part of it was spent how, only not in which order. A session of so many different stacks that the whole of it as
one window is still too much loses the deepest frames of its stacks: what they took counts for their callers.
"""

from __future__ import annotations

from array import array
from itertools import groupby
from operator import ne
from typing import Final

from nbspy.model.tables import NodeColumns, RunColumns

MAX_COUNT: Final = 0xFFFF_FFFF
"""Counts and microseconds of one row fit 32 bits; what would not stays two rows."""
_BATCH_ROWS: Final = 1 << 16
"""Rows merged at once: the rows are nearly in the order of time, so windows seldom lie in two batches."""
_WORTHWHILE: Final = 0.9
"""Where a window leaves more of the rows than this, the next one is four times as long instead of twice."""
_MAX_DEPTH: Final = 1 << 20
MAX_START: Final = (1 << 64) - 1

Key = tuple[int, int, int]
"""(thread, node, state)"""


def coarsened(runs: RunColumns, wanted: int, nodes: NodeColumns, window_ns: int = 0) -> tuple[RunColumns, int]:
    """Return at most ``wanted`` rows (or the number of threads and states, if there are more) with equal sums.

    Also returns the window of time that was merged last, in ns: where part of ``runs`` came from here, that is where to
    begin the next time (``window_ns``).
    """
    window_ns = max(window_ns, _first_window(runs, wanted))
    start, end = min(runs.start_ns, default=0), max(runs.start_ns, default=0)
    made = runs
    if len(made) > wanted and _too_different(made, wanted):
        window_ns = 2 * (end - start + 1)
    while len(made) > wanted and window_ns < 2 * (end - start + 1):
        before = len(made)
        made = _merged(made, window_ns)
        window_ns *= 2 if len(made) < _WORTHWHILE * before else 4
    if len(made) > wanted:
        made = _merged_whole(made)
    depths = _depths(nodes) if len(made) > wanted else array("I", [0])
    limit = max(depths)
    while len(made) > wanted and limit:
        limit //= 2
        made = _merged_whole(_cut(made, nodes, depths, limit))
    return made, max(1, window_ns // 2)


def _too_different(runs: RunColumns, wanted: int) -> bool:
    """Whether even one window for all would leave too many rows: passes over them would be for nothing."""
    keys = sorted(map(_packed, runs.thread, runs.state, runs.node))
    changes: int = sum(map(ne, keys, keys[1:]))
    return changes >= wanted


def _first_window(runs: RunColumns, wanted: int) -> int:
    """Return a window in which a thread's rows are perhaps as many too many as all are."""
    length = len(runs)
    if not length:
        return 1
    threads = len(set(runs.thread[:_BATCH_ROWS]))
    span = max(runs.start_ns) - min(runs.start_ns) + 1
    return max(1, span * threads // max(1, wanted))


def _merged(runs: RunColumns, window_ns: int) -> RunColumns:
    """Return ``runs`` with equal ones of a window merged, as far as they lie in one batch."""
    made = RunColumns()
    for first in range(0, len(runs), _BATCH_ROWS):
        part = slice(first, first + _BATCH_ROWS)
        windows: dict[tuple[int, int], tuple[int, dict[Key, list[int]]]] = {}
        rows = zip(
            runs.start_ns[part],
            runs.thread[part],
            runs.node[part],
            runs.state[part],
            runs.count[part],
            runs.weight_us[part],
            strict=True,
        )
        for start, thread, node, state, count, weight in rows:
            place = (start // window_ns, thread)
            found = windows.get(place)
            if found is None:
                found = windows[place] = (start, {})
            elif start < found[0]:
                found = windows[place] = (start, found[1])
            key = (thread, node, state)
            sums = found[1].get(key)
            if sums is None:
                found[1][key] = [count, weight]
            else:
                sums[0] += count
                sums[1] += weight
        for start, merged in windows.values():
            _lay_out(made, start, merged)
    return made


def _merged_whole(runs: RunColumns) -> RunColumns:
    """Return ``runs`` with all equal ones merged. Sorted, for a table of them would need ten times the memory."""
    keys = array("Q", map(_packed, runs.thread, runs.state, runs.node))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    del keys
    made = RunColumns()
    for thread, of_thread in groupby(order, runs.thread.__getitem__):
        merged: dict[Key, list[int]] = {}
        start = MAX_START
        for row in of_thread:
            sums = merged.setdefault((thread, runs.node[row], runs.state[row]), [0, 0])
            sums[0] += runs.count[row]
            sums[1] += runs.weight_us[row]
            start = min(start, runs.start_ns[row])
        _lay_out(made, start, merged)
    return made


def _packed(thread: int, state: int, node: int) -> int:
    return (thread & 0xFF_FFFF) << 40 | state << 32 | node


def _lay_out(made: RunColumns, start_ns: int, merged: dict[Key, list[int]]) -> None:
    """Append the rows of one thread in one window, one after the other from ``start_ns`` on."""
    for (thread, node, state), (count, weight) in merged.items():
        while count:
            part, part_weight = min(count, MAX_COUNT), min(weight, MAX_COUNT)
            if part_weight < weight:
                part = 1  # each row that was merged had a sample at least: one is left for the rest of the weight
            made.start_ns.append(start_ns)
            made.thread.append(thread)
            made.node.append(node)
            made.state.append(state)
            made.count.append(part)
            made.weight_us.append(part_weight)
            count -= part
            weight -= part_weight
            start_ns += part_weight * 1000


def _depths(nodes: NodeColumns) -> array[int]:
    depths = array("I", [0])
    for parent in nodes.parent[1 : len(nodes)]:
        depths.append(min(depths[parent] + 1, _MAX_DEPTH))
    return depths


def _cut(runs: RunColumns, nodes: NodeColumns, depths: array[int], limit: int) -> RunColumns:
    """Return ``runs`` with every leaf below ``limit`` frames replaced by its caller at that depth."""
    # A parent's id is below its children's: one pass knows the ancestor of each.
    ancestors = array("I", range(len(depths)))
    for node, depth in enumerate(depths):
        if depth > limit:
            ancestors[node] = ancestors[nodes.parent[node]]
    length = len(runs)
    cut = runs.head(length)
    cut.node = array("I", [ancestors[node] for node in cut.node])
    return cut
