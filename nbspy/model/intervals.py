"""Samples as intervals of time: each thread's calls, and the stretches in which it was in a state.

A run covers its weight: from its first sample to the first one after it. Where the next run of the same thread
begins sooner, it ends there, so that the intervals of a thread never overlap. Neighbours that are apart by less
than half the sampling interval count as joined.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nbspy.model.call_tree import stack_of
from nbspy.model.profile import Profile
from nbspy.model.tables import ThreadInfo


class Interval(NamedTuple):
    """A run as an interval of time."""

    start_ns: int
    end_ns: int
    node: int
    state: int
    samples: int
    weight_us: int


class Span(NamedTuple):
    """An unbroken stretch of time in which a thread was in a call."""

    start_ns: int
    depth: int
    """0 for the outermost call."""
    frame: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class ThreadIntervals:
    """A thread's runs in the order of time, without overlap."""

    thread: ThreadInfo
    intervals: Sequence[Interval]
    joined_below_ns: int
    """Greatest gap between neighbours that count as joined."""

    def stretches(self, wanted: Callable[[int], bool]) -> Iterator[tuple[int, int]]:
        """Yield (start, end) in ns of each unbroken stretch in which ``wanted(state)``."""
        start_ns = end_ns = -1
        for one in self.intervals:
            if not wanted(one.state):
                continue
            if start_ns >= 0 and one.start_ns - end_ns <= self.joined_below_ns:
                end_ns = one.end_ns
                continue
            if start_ns >= 0:
                yield start_ns, end_ns
            start_ns, end_ns = one.start_ns, one.end_ns
        if start_ns >= 0:
            yield start_ns, end_ns


def thread_intervals(profile: Profile) -> list[ThreadIntervals]:
    """Return the intervals of each thread that has samples, in the order of the threads' ids."""
    rows: dict[int, list[Interval]] = {}
    runs = profile.runs
    columns = (runs.thread, runs.start_ns, runs.node, runs.state, runs.count, runs.weight_us)
    for thread, start_ns, node, state, count, weight_us in zip(*columns, strict=True):
        interval = Interval(start_ns, start_ns + weight_us * 1000, node, state, count, weight_us)
        rows.setdefault(thread, []).append(interval)
    joined_below_ns = profile.hello.interval_ns // 2
    return [
        ThreadIntervals(profile.threads[thread], _without_overlap(rows[thread]), joined_below_ns)
        for thread in sorted(rows)
    ]


def _without_overlap(intervals: list[Interval]) -> list[Interval]:
    intervals.sort(key=lambda one: one.start_ns)
    for i in range(len(intervals) - 1):
        following_ns = intervals[i + 1].start_ns
        if intervals[i].end_ns > following_ns:
            intervals[i] = intervals[i]._replace(end_ns=following_ns)
    return intervals


def call_spans(profile: Profile, of: ThreadIntervals, same_as: array[int]) -> list[Span]:
    """Return the calls of one thread, each before those inside it; ``same_as`` says which frames are one."""
    stacks: dict[int, list[int]] = {}
    spans: list[Span] = []
    open_calls: list[tuple[int, int]] = []  # (frame, start)
    end_ns = -1

    def close(depth: int) -> None:
        for level in range(len(open_calls) - 1, depth - 1, -1):
            frame, start_ns = open_calls[level]
            spans.append(Span(start_ns, level, frame, end_ns))
        del open_calls[depth:]

    for one in of.intervals:
        if one.node not in stacks:
            stacks[one.node] = [same_as[frame] for frame in stack_of(profile.tables.nodes, one.node)]
        stack = stacks[one.node]
        same = 0
        if one.start_ns - end_ns <= of.joined_below_ns:
            for (frame, _), its_frame in zip(open_calls, stack, strict=False):
                if frame != its_frame:
                    break
                same += 1
        close(same)
        open_calls += [(frame, one.start_ns) for frame in stack[same:]]
        end_ns = one.end_ns
    close(0)
    spans.sort(key=lambda span: (span.start_ns, span.depth))
    return spans
