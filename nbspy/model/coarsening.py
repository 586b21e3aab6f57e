"""Fewer rows for the same samples: the resolution in time halves, then that of the stacks; counts and times stay exact.

Equal runs of a thread (one leaf, one state) within a window of time become one; the window doubles until so few are
left as are wanted. Inside a window each thread's runs are laid one after the other, so that a timeline still shows
what part of it was spent how, only not in which order. A session of so many different stacks that the whole of it as
one window is still too much loses the deepest frames of its stacks: what they took counts for their callers.

A million rows take seconds, in a process that has others to serve: :func:`coarsening` goes in steps of some
milliseconds, and whoever lets it go on chooses when. No step calls into C for longer, where the GIL would be kept.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Generator, Iterator, Sequence
from itertools import groupby
from operator import or_
from typing import Any, Final, TypeVar

from nbspy.model.tables import NodeColumns, RunColumns

MAX_COUNT: Final = 0xFFFF_FFFF
"""Counts and microseconds of one row fit 32 bits; what would not stays two rows."""
_BITS: Final = 64
"""Of a time in ns."""
_NODE: Final = 0xFFFF_FFFF
_STATE_SHIFT: Final = 32
_THREAD_SHIFT: Final = 40
"""Of a key, ``thread << 40 | state << 32 | node``: a sampler tells 50,000 threads apart, 24 bits are more."""
_LOWER: Final = 0 if sys.byteorder == "little" else 1
_STEP: Final = 8192
"""Rows of one step."""
_BUCKETS: Final = 61
"""Sorting a million rows is one call of half a second; sorting as many parts is not. A prime: any key's bits count."""

_T = TypeVar("_T")
Steps = Generator[None, None, _T]
"""Pauses where it yields; what it returns is the answer."""


def coarsened(runs: RunColumns, wanted: int, nodes: NodeColumns, window_ns: int = 0) -> tuple[RunColumns, int]:
    """Return what :func:`coarsening` returns, without a pause."""
    steps = coarsening(runs, wanted, nodes, window_ns)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            made: tuple[RunColumns, int] = done.value
            return made


def coarsening(runs: RunColumns, wanted: int, nodes: NodeColumns, window_ns: int = 0) -> Steps[tuple[RunColumns, int]]:
    """Return at most ``wanted`` rows (or the number of threads and states, if there are more) with equal sums.

    Also returns the window of time that was merged last, in ns: where part of ``runs`` came from here, that is where to
    begin the next time (``window_ns``). ``runs`` must not change meanwhile; ``nodes`` may grow.
    """
    made = runs
    while len(made) > wanted:
        lanes = _Lanes(made)
        yield from lanes.fill()
        if (yield from lanes.different(None, wanted)) > wanted:
            ancestors = yield from _shallower(lanes, wanted, nodes)
            return (yield from lanes.merged_whole(ancestors)), max(window_ns, 1 << lanes.span_ns.bit_length())
        window_ns = yield from lanes.window(wanted, window_ns if made is runs else 2 * window_ns)
        made = yield from lanes.merged(window_ns)
        if window_ns > lanes.span_ns:
            break
    return made, window_ns


def _shallower(lanes: _Lanes, wanted: int, nodes: NodeColumns) -> Steps[array[int]]:
    """Return what stands for each node so that at most ``wanted`` rows are different, if that can be."""
    depths, limit = yield from _depths(nodes)
    ancestors = nodes.parent
    while limit:
        limit //= 2
        ancestors = yield from _ancestors(nodes, depths, limit)
        if (yield from lanes.different(ancestors, wanted)) <= wanted:
            break
    return ancestors


class _Lanes:
    """Rows by what they say, so that equal ones lie together: in buckets, for one table would need too much memory."""

    def __init__(self, runs: RunColumns) -> None:
        self._runs = runs
        self._upper = array("I")
        """Of each key, what is above its node."""
        self._keys = array("Q")
        self._buckets: list[array[int]] = []
        """Of rows; equal ones follow each other."""
        self._begin_ns = 1 << _BITS
        self.span_ns = 0

    def fill(self) -> Steps[None]:
        runs, end_ns = self._runs, 0
        for first in range(0, len(runs), _STEP):
            part = slice(first, first + _STEP)
            starts = runs.start_ns[part]
            self._begin_ns, end_ns = min(self._begin_ns, min(starts)), max(end_ns, max(starts))
            threads = map((1 << _THREAD_SHIFT - _STATE_SHIFT).__mul__, runs.thread[part])
            upper = array("I", map(or_, threads, runs.state[part]))
            self._upper.extend(upper)
            self._keys.extend(_keys(upper, runs.node[part]))
            yield
        self.span_ns = end_ns - self._begin_ns

    def _keys_above(self, ancestors: array[int] | None) -> Iterator[array[int]]:
        """Yield all keys, with each node's ancestor in its place, in parts of a step's length."""
        if ancestors is None:
            yield from _parts(self._keys)
            return
        for first in range(0, len(self._keys), _STEP):
            part = slice(first, first + _STEP)
            yield _keys(self._upper[part], array("I", map(ancestors.__getitem__, self._runs.node[part])))

    def different(self, ancestors: array[int] | None, enough: int) -> Steps[int]:
        """Return how many rows are left where all equal ones are one; at most a step's rows more than ``enough``."""
        seen: set[int] = set()
        for keys in self._keys_above(ancestors):
            seen.update(keys)
            if len(seen) > enough:
                break
            yield
        return len(seen)

    def merged_whole(self, ancestors: array[int]) -> Steps[RunColumns]:
        """Return the rows with all equal ones merged, however far from each other, below each node's ancestor."""
        runs, place, number = self._runs, dict[int, int](), 0
        first_ns, counts, weights = array("Q"), array("Q"), array("Q")
        for step, keys in enumerate(self._keys_above(ancestors)):
            part = slice(step * _STEP, (step + 1) * _STEP)
            columns = (runs.start_ns[part], runs.count[part], runs.weight_us[part])
            for key, start, count, weight in zip(keys, *columns, strict=True):
                row = place.get(key)
                if row is None:
                    place[key] = number
                    number += 1
                    first_ns.append(start)
                    counts.append(count)
                    weights.append(weight)
                    continue
                if start < first_ns[row]:
                    first_ns[row] = start
                counts[row] += count
                weights[row] += weight
            yield
        made = _Merged(1, max(runs.thread) + 1)
        for row, key in enumerate(place):
            made.add(0, first_ns[row], key, counts[row], weights[row])
            if row % _STEP == 0:
                yield
        del place
        return (yield from made.laid_out())

    def window(self, wanted: int, least_ns: int) -> Steps[int]:
        """Return the shortest window that leaves about ``wanted`` rows; one longer than all where none does.

        Windows are powers of two, ``least_ns`` at least. Two equal rows lie in one with a probability of 1 - gap /
        window: from how many gaps there are of each size, and how long they are together, follows what is left.
        """
        keys, starts = self._keys, self._runs.start_ns
        number, length = [0] * (_BITS + 1), [0] * (_BITS + 1)
        yield from self._sort()
        before, then = -1, 0
        for rows in self._in_order():
            for key, start in zip(map(keys.__getitem__, rows), map(starts.__getitem__, rows), strict=True):
                if key == before:
                    gap = abs(start - then)
                    size = gap.bit_length()
                    number[size] += 1
                    length[size] += gap
                else:
                    before = key
                then = start
            yield
        window = max(1, least_ns)
        while window <= self.span_ns:
            sizes = range(window.bit_length())  # the gaps below the window
            merged = sum(number[size] for size in sizes) - sum(length[size] for size in sizes) / window
            if len(keys) - merged <= wanted:
                break
            window *= 2
        return window

    def merged(self, window_ns: int) -> Steps[RunColumns]:
        """Return the rows with equal ones of a window merged, window after window."""
        yield from self._sort()
        runs, begin_ns = self._runs, self._begin_ns
        made = _Merged(self.span_ns // window_ns + 1, max(runs.thread) + 1)
        columns = (self._keys, runs.start_ns, runs.count, runs.weight_us)
        before, place, first, counts, weights = -1, 0, 0, 0, 0
        for rows in self._in_order():
            for key, start, count, weight in zip(*(map(column.__getitem__, rows) for column in columns), strict=True):
                own = (start - begin_ns) // window_ns
                if key == before and own == place:
                    if start < first:
                        first = start
                    counts += count
                    weights += weight
                    continue
                if counts:
                    made.add(place, first, before, counts, weights)
                before, place, first, counts, weights = key, own, start, count, weight
            yield
        made.add(place, first, before, counts, weights)
        return (yield from made.laid_out())

    def _sort(self) -> Steps[None]:
        if self._buckets:
            return
        buckets = [array("I") for _ in range(_BUCKETS)]
        append = [bucket.append for bucket in buckets]
        for step, keys in enumerate(_parts(self._keys)):
            for row, key in enumerate(keys, step * _STEP):
                append[key % _BUCKETS](row)
            yield
        for number, rows in enumerate(buckets):
            buckets[number] = array("I", sorted(rows, key=self._keys.__getitem__))
            yield
        self._buckets = buckets

    def _in_order(self) -> Iterator[array[int]]:
        """Yield all rows in parts of a step's length; equal ones may lie in two parts that follow each other."""
        for rows in self._buckets:
            yield from _parts(rows)


class _Merged:
    """Rows that are merged, before they have their place in their windows."""

    def __init__(self, windows: int, threads: int) -> None:
        self._threads = threads
        self._places = windows * threads
        self._place: list[int] = []
        """``window * threads + thread``, which may need more than 64 bits."""
        self._start_ns, self._key = array("Q"), array("Q")
        self._count, self._weight_us = array("I"), array("I")

    def add(self, window: int, start_ns: int, key: int, count: int, weight: int) -> None:
        while count:
            part, part_weight = count, weight
            if count > MAX_COUNT or weight > MAX_COUNT:
                part, part_weight = min(count, MAX_COUNT), min(weight, MAX_COUNT)
                if part_weight < weight:
                    part = 1  # each row that was merged had a sample at least: one is left for the rest of the weight
            self._place.append(window * self._threads + (key >> _THREAD_SHIFT))
            self._start_ns.append(start_ns)
            self._key.append(key)
            self._count.append(part)
            self._weight_us.append(part_weight)
            count -= part
            weight -= part_weight

    def laid_out(self) -> Steps[RunColumns]:
        """Return the rows in the order of their windows, those of a thread in a window one after the other."""
        buckets = [array("I") for _ in range(_BUCKETS)]
        place, places = self._place, self._places
        for first in range(0, len(place), _STEP):
            for row, one in enumerate(place[first : first + _STEP], first):
                buckets[one * _BUCKETS // places].append(row)
            yield
        made = RunColumns()
        for bucket in buckets:
            order = array("I", sorted(bucket, key=place.__getitem__))
            yield
            for part in _parts(order):
                self._append(made, part)
                yield
            yield from self._lay_out(made, order)
        return made

    def _append(self, made: RunColumns, rows: array[int]) -> None:
        keys = array("Q", map(self._key.__getitem__, rows))
        made.start_ns.extend(map(self._start_ns.__getitem__, rows))
        made.thread.extend([key >> _THREAD_SHIFT for key in keys])
        made.node.extend([key & _NODE for key in keys])
        made.state.extend([key >> _STATE_SHIFT & 0xFF for key in keys])
        made.count.extend(map(self._count.__getitem__, rows))
        made.weight_us.extend(map(self._weight_us.__getitem__, rows))

    def _lay_out(self, made: RunColumns, order: array[int]) -> Steps[None]:
        """Let the last rows of ``made``, which came from ``order``, follow each other where they share a place."""
        starts, weights = made.start_ns, made.weight_us
        end = len(starts) - len(order)
        steps = end + _STEP
        for _, of_thread in groupby(order, key=self._place.__getitem__):
            begun, end = end, end + sum(1 for _ in of_thread)
            if end > begun + 1:
                start_ns = min(starts[begun:end])
                for first in range(begun, end, _STEP):
                    if first > begun:
                        yield
                    for row in range(first, min(first + _STEP, end)):
                        starts[row] = start_ns
                        start_ns += weights[row] * 1000
            if end > steps:
                steps = end + _STEP
                yield


def _depths(nodes: NodeColumns) -> Steps[tuple[array[int], int]]:
    """Return how many frames lie above each node, itself included, and the most of these."""
    depths, deepest = array("I", [0]), 0
    for part in _parts(nodes.parent[1 : len(nodes)]):
        append = depths.append
        for parent in part:
            append(depths[parent] + 1)
        deepest = max(deepest, max(depths[-len(part) :]))
        yield
    return depths, deepest


def _ancestors(nodes: NodeColumns, depths: array[int], limit: int) -> Steps[array[int]]:
    """Return, for every node, that itself or where it lies deeper its caller at the depth of ``limit`` frames."""
    # A parent's id is below its children's: one pass knows the ancestor of each.
    ancestors = array("I")
    for first in range(0, len(depths), _STEP):
        part = slice(first, first + _STEP)
        append = ancestors.append
        for node, (depth, parent) in enumerate(zip(depths[part], nodes.parent[part], strict=False), first):
            append(node if depth <= limit else ancestors[parent])
        yield
    return ancestors


def _keys(upper: array[int], nodes: array[int]) -> array[int]:
    """Return keys as 64-bit words of two 32-bit halves."""
    halves = array("I", bytes(8 * len(nodes)))
    halves[_LOWER::2] = nodes
    halves[1 - _LOWER :: 2] = upper
    return array("Q", halves.tobytes())


def _parts(rows: Sequence[Any]) -> Iterator[Any]:
    for first in range(0, len(rows), _STEP):
        yield rows[first : first + _STEP]
