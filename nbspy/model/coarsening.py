"""Fewer rows for the same samples: the resolution in time halves, then that of the stacks; counts and times stay exact.

Equal runs of a thread (one leaf, one state) within a window of time become one; the window doubles until so few are
left as are wanted. Inside a window each thread's runs are laid one after the other, so that a timeline still shows
what part of it was spent how, only not in which order. A session of so many different stacks that the whole of it as
one window is still too much loses the deepest frames of its stacks: what they took counts for their callers.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from nbspy.model.tables import NodeColumns, RunColumns

MAX_COUNT: Final = 0xFFFF_FFFF
"""Counts and microseconds of one row fit 32 bits; what would not stays two rows."""
_MAX_DEPTH: Final = 1 << 20
_BITS: Final = 64
"""Of a time in ns."""


def coarsened(runs: RunColumns, wanted: int, nodes: NodeColumns, window_ns: int = 0) -> tuple[RunColumns, int]:
    """Return at most ``wanted`` rows (or the number of threads and states, if there are more) with equal sums.

    Also returns the window of time that was merged last, in ns: where part of ``runs`` came from here, that is where to
    begin the next time (``window_ns``).
    """
    made = runs
    while len(made) > wanted:
        lanes = _Lanes(made)
        window_ns = lanes.window(wanted, window_ns if made is runs else 2 * window_ns)
        whole = window_ns > lanes.span_ns
        if whole and lanes.different(None) > wanted:
            return _shallower(lanes, made, wanted, nodes), window_ns
        made = lanes.merged(window_ns)
        if whole:
            break
    return made, window_ns


def _shallower(lanes: _Lanes, runs: RunColumns, wanted: int, nodes: NodeColumns) -> RunColumns:
    """Return ``runs`` without their deepest frames, and with all equal ones merged however far from each other."""
    depths = _depths(nodes)
    limit = max(depths)
    ancestors = nodes.parent
    while limit:
        limit //= 2
        ancestors = _ancestors(nodes, depths, limit)
        if lanes.different(ancestors) <= wanted:
            break
    cut = runs.head(len(runs))
    cut.node = array("I", map(ancestors.__getitem__, cut.node))
    return _Lanes(cut).merged(1 << _BITS)


class _Lanes:
    """Rows of each thread, equal ones side by side and those in the order of time.

    Sorted thread by thread, for a table of all that are different would need ten times the memory.
    """

    def __init__(self, runs: RunColumns) -> None:
        self._runs = runs
        self._kinds = kinds = array("Q", map(_kind, runs.state, runs.node))
        rows_of: dict[int, array[int]] = {}
        for row, thread in enumerate(runs.thread):
            rows = rows_of.get(thread)
            if rows is None:
                rows_of[thread] = array("I", [row])
            else:
                rows.append(row)
        self._rows_of = {thread: array("I", sorted(rows, key=kinds.__getitem__)) for thread, rows in rows_of.items()}
        self._begin_ns = min(runs.start_ns)
        self.span_ns = max(runs.start_ns) - self._begin_ns

    def different(self, ancestors: array[int] | None) -> int:
        """Return how many rows are left where all equal ones are one, with each node's ancestor in its place."""
        number = 0
        for rows in self._rows_of.values():
            kinds = [kind for kind, _ in groupby(map(self._kinds.__getitem__, rows))]
            if ancestors is None:
                number += len(kinds)
            else:
                number += len({kind >> 32 << 32 | ancestors[kind & 0xFFFF_FFFF] for kind in kinds})
        return number

    def window(self, wanted: int, least_ns: int) -> int:
        """Return the shortest window that leaves about ``wanted`` rows; one longer than all where none does.

        Windows are powers of two, ``least_ns`` at least. Two equal rows lie in one with a probability of 1 - gap /
        window: from how many gaps there are of each size, and how long they are together, follows what is left.
        """
        kinds, starts = self._kinds, self._runs.start_ns
        number, length = [0] * (_BITS + 1), [0] * (_BITS + 1)
        for rows in self._rows_of.values():
            before, then = -1, 0
            for kind, start in zip(map(kinds.__getitem__, rows), map(starts.__getitem__, rows), strict=True):
                if kind == before:
                    gap = abs(start - then)
                    size = gap.bit_length()
                    number[size] += 1
                    length[size] += gap
                else:
                    before = kind
                then = start
        window = max(1, least_ns)
        while window <= self.span_ns:
            sizes = range(window.bit_length())  # the gaps below the window
            merged = sum(number[size] for size in sizes) - sum(length[size] for size in sizes) / window
            if len(kinds) - merged <= wanted:
                break
            window *= 2
        return window

    def merged(self, window_ns: int) -> RunColumns:
        """Return the rows with equal ones of a window merged, window after window."""
        runs, begin_ns, made = self._runs, self._begin_ns, _Merged()
        columns = (self._kinds, runs.start_ns, runs.count, runs.weight_us)
        for thread, rows in self._rows_of.items():
            before, place, first, counts, weights = -1, 0, 0, 0, 0
            for kind, start, count, weight in zip(*(map(column.__getitem__, rows) for column in columns), strict=True):
                own = (start - begin_ns) // window_ns
                if kind == before and own == place:
                    if start < first:
                        first = start
                    counts += count
                    weights += weight
                    continue
                if counts:
                    made.add(place, first, thread, before, counts, weights)
                before, place, first, counts, weights = kind, own, start, count, weight
            made.add(place, first, thread, before, counts, weights)
        return made.laid_out()


@dataclass(slots=True)
class _Merged:
    """Rows that are merged, before they have their place in their windows."""

    window: array[int] = field(default_factory=lambda: array("Q"))
    start_ns: array[int] = field(default_factory=lambda: array("Q"))
    thread: array[int] = field(default_factory=lambda: array("I"))
    kind: array[int] = field(default_factory=lambda: array("Q"))
    count: array[int] = field(default_factory=lambda: array("I"))
    weight_us: array[int] = field(default_factory=lambda: array("I"))

    def add(self, window: int, start_ns: int, thread: int, kind: int, count: int, weight: int) -> None:
        while count:
            part, part_weight = count, weight
            if count > MAX_COUNT or weight > MAX_COUNT:
                part, part_weight = min(count, MAX_COUNT), min(weight, MAX_COUNT)
                if part_weight < weight:
                    part = 1  # each row that was merged had a sample at least: one is left for the rest of the weight
            self.window.append(window)
            self.start_ns.append(start_ns)
            self.thread.append(thread)
            self.kind.append(kind)
            self.count.append(part)
            self.weight_us.append(part_weight)
            count -= part
            weight -= part_weight

    def laid_out(self) -> RunColumns:
        """Return the rows in the order of their windows, those of a thread in a window one after the other."""
        order = array("I", sorted(range(len(self.window)), key=self.window.__getitem__))

        def ordered(typecode: str, column: array[int]) -> array[int]:
            return array(typecode, map(column.__getitem__, order))

        kind = ordered("Q", self.kind)
        made = RunColumns(
            ordered("Q", self.start_ns),
            ordered("I", self.thread),
            array("I", (one & 0xFFFF_FFFF for one in kind)),
            array("B", (one >> 32 for one in kind)),
            ordered("I", self.count),
            ordered("I", self.weight_us),
        )
        starts, weights = made.start_ns, made.weight_us
        places = groupby(zip(map(self.window.__getitem__, order), made.thread, strict=True))
        begun = 0
        for _, of_thread in places:
            end = begun + sum(1 for _ in of_thread)
            if end > begun + 1:
                start_ns = min(starts[begun:end])
                for row in range(begun, end):
                    starts[row] = start_ns
                    start_ns += weights[row] * 1000
            begun = end
        return made


def _kind(state: int, node: int) -> int:
    return state << 32 | node


def _depths(nodes: NodeColumns) -> array[int]:
    depths = array("I", [0])
    for parent in nodes.parent[1 : len(nodes)]:
        depths.append(min(depths[parent] + 1, _MAX_DEPTH))
    return depths


def _ancestors(nodes: NodeColumns, depths: array[int], limit: int) -> array[int]:
    """Return, for every node, that itself or where it lies deeper its caller at the depth of ``limit`` frames."""
    # A parent's id is below its children's: one pass knows the ancestor of each.
    ancestors = array("I", range(len(depths)))
    for node, depth in enumerate(depths):
        if depth > limit:
            ancestors[node] = ancestors[nodes.parent[node]]
    return ancestors
