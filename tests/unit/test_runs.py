from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from unittest.mock import patch

from hypothesis import example, given
from hypothesis import strategies as st

from nbspy.sampling import runs
from nbspy.sampling.runs import MAX_WINDOW_NS, RunColumns, RunTracker

Observation = tuple[int, int, int]
"""(thread, node, state bits)"""


def totals(columns: RunColumns) -> tuple[Counter[Observation], Counter[Observation]]:
    """Return (samples, weight in ns) of each (thread, node, bits)."""
    counts: Counter[Observation] = Counter()
    weights: Counter[Observation] = Counter()
    for _, thread, node, bits, count, weight in columns.rows:
        counts[thread, node, bits] += count
        weights[thread, node, bits] += weight
    return counts, weights


class PlainTracker:
    """What a tracker must add up to: each sample weighs the time to the next one, or to the end of its thread."""

    def __init__(self) -> None:
        self.counts: Counter[Observation] = Counter()
        self.weights: Counter[Observation] = Counter()
        self._last: dict[int, tuple[int, Observation]] = {}

    def observe(self, time_ns: int, seen: Iterable[Observation]) -> None:
        for key in seen:
            self.end(key[0], time_ns)
            self.counts[key] += 1
            self._last[key[0]] = (time_ns, key)

    def end(self, thread: int, time_ns: int) -> None:
        if thread in self._last:
            then, key = self._last.pop(thread)
            self.weights[key] += time_ns - then

    def finish(self, time_ns: int) -> None:
        for thread in list(self._last):
            self.end(thread, time_ns)


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("observe"), st.dictionaries(st.integers(0, 4), st.tuples(st.integers(0, 3), st.integers(0, 3)))
        ),
        st.tuples(st.just("flush"), st.just({})),
        st.tuples(st.just("coarsen"), st.just({})),
    ),
    max_size=40,
)


@given(steps, st.lists(st.integers(1, 10**10), min_size=42, max_size=42))
def test_tracker_after_any_sequence_of_steps_has_every_sample_and_every_nanosecond(
    actions: list[tuple[str, dict[int, tuple[int, int]]]], gaps: list[int]
) -> None:
    tracker, plain, now = RunTracker(), PlainTracker(), 0
    present: set[int] = set()
    observed = 0
    for (action, threads), gap in zip(actions, gaps, strict=False):
        now += gap
        if action == "observe":
            for gone in present - threads.keys():
                tracker.retire(gone, now)
                plain.end(gone, now)
            present = set(threads)
            seen = [(thread, node, bits) for thread, (node, bits) in threads.items()]
            tracker.observe(now, seen)
            plain.observe(now, seen)
            observed += 1
        elif action == "flush":
            tracker.flush()
        elif len(tracker.columns):
            tracker.columns.coarsen()
    tracker.finish(now + gaps[-1])
    plain.finish(now + gaps[-1])

    counts, weights = totals(tracker.columns)
    assert counts == plain.counts
    assert weights == plain.weights
    assert tracker.tick == observed
    assert min((row[4] for row in tracker.columns.rows), default=1) >= 1


def test_tracker_when_a_thread_does_not_move_makes_one_run_of_it() -> None:
    tracker = RunTracker()
    for tick in range(1000):
        tracker.observe(10 * tick, [(0, 7, 1)])
    assert len(tracker.columns) == 0

    tracker.finish(10_000)

    assert tracker.columns.rows == [(0, 0, 7, 1, 1000, 10_000)]


def test_tracker_when_flushed_keeps_the_last_sample_until_its_weight_is_known() -> None:
    tracker = RunTracker()
    tracker.observe(5, [(0, 7, 1)])
    tracker.flush()
    assert len(tracker.columns) == 0

    tracker.observe(15, [(0, 7, 1)])
    tracker.flush()
    tracker.flush()
    assert tracker.columns.rows == [(5, 0, 7, 1, 1, 10)]

    tracker.finish(18)
    assert tracker.columns.rows == [(5, 0, 7, 1, 1, 10), (15, 0, 7, 1, 1, 3)]


def test_tracker_when_a_thread_moves_or_its_state_changes_begins_another_run() -> None:
    tracker = RunTracker()
    for time_ns, node, bits in [(0, 7, 1), (10, 8, 1), (20, 8, 0)]:
        tracker.observe(time_ns, [(0, node, bits)])
    tracker.finish(30)

    assert tracker.columns.rows == [(0, 0, 7, 1, 1, 10), (10, 0, 8, 1, 1, 10), (20, 0, 8, 0, 1, 10)]


def test_tracker_lets_a_thread_that_is_not_mentioned_go_on() -> None:
    tracker = RunTracker()
    tracker.observe(0, [(0, 1, 1), (1, 2, 0)])
    tracker.observe(10, [(0, 5, 1)])
    tracker.observe(20, [])
    tracker.finish(30)

    assert sorted(tracker.columns.rows) == [(0, 0, 1, 1, 1, 10), (0, 1, 2, 0, 3, 30), (10, 0, 5, 1, 2, 20)]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(0, 1)), min_size=1, max_size=300))
@example([(0, tick % 2, 0) for tick in range(300)])
def test_columns_beyond_their_bound_halve_and_stay_exact(observations: list[Observation]) -> None:
    tracker, plain = RunTracker(), PlainTracker()
    with patch.object(runs, "MAX_ROWS", 20):
        tracker.columns = RunColumns()
        present: set[int] = set()
        for tick, seen in enumerate(observations):
            now = 1000 * tick
            for gone in present - {seen[0]}:
                tracker.retire(gone, now)
                plain.end(gone, now)
            present = {seen[0]}
            tracker.observe(now, [seen])
            plain.observe(now, [seen])
            distinct = len(set(observations[: tick + 1]))
            assert len(tracker.columns) <= max(20, 2 * distinct)
    tracker.finish(1000 * len(observations))
    plain.finish(1000 * len(observations))

    counts, weights = totals(tracker.columns)
    assert counts == plain.counts
    assert weights == plain.weights


def test_columns_of_nothing_but_different_stacks_are_not_merged_at_every_row() -> None:
    merges = 0

    class Counting(RunColumns):
        def coarsen(self) -> None:
            nonlocal merges
            merges += 1
            super().coarsen()

    with patch.object(runs, "MAX_ROWS", 20):
        columns = Counting()
        for node in range(640):
            columns.append(runs.Run(0, node, 1, 1000 * node, node), 1000 * node + 1000, 1)

    assert [row[4] for row in columns.rows] == [1] * 640
    assert merges <= 6  # at 20 rows, and then whenever they have doubled


def test_take_gives_microseconds_from_a_base_and_starts_anew() -> None:
    columns = RunColumns()
    columns.append(runs.Run(3, 9, 5, 7_000_999, 0), 9_000_000, 4)
    columns.append(runs.Run(2, 8, 0, 5_000_001, 0), 7_000_001, 2)

    base, (start, thread, node, bits, count, weight) = columns.take()

    assert base == 5_000_001
    assert (list(start), list(thread), list(node), list(bits)) == ([2000, 0], [3, 2], [9, 8], [5, 0])
    assert (list(count), list(weight)) == ([4, 2], [2000, 2000])
    assert len(columns) == 0
    assert [list(part) for part in columns.take()[1]] == [[], [], [], [], [], []]


@given(st.lists(st.integers(0, 5_000_000), min_size=2, max_size=50))
def test_take_when_runs_adjoin_gives_weights_that_add_up(gaps: list[int]) -> None:
    columns, start = RunColumns(), 1_234_567
    for index, gap in enumerate(gaps):
        columns.append(runs.Run(0, index, 1, start, 0), start + gap, 1)
        start += gap

    weights = columns.take()[1][5]

    assert sum(weights) == start // 1000 - 1_234_567 // 1000


def test_take_when_a_reader_stood_still_for_hours_leaves_the_later_runs_for_the_next_record() -> None:
    hour_ns, columns = 3_600_000_000_000, RunColumns()
    for hour in range(5):
        columns.append(runs.Run(0, hour, 1, hour * hour_ns, hour), (hour + 1) * hour_ns, 10)

    taken = []
    while len(columns):
        base, (start, _, node, _, count, weight) = columns.take()
        taken += [(base + us * 1000, n, c, w) for us, n, c, w in zip(start, node, count, weight, strict=True)]

    assert taken == [(hour * hour_ns, hour, 10, 3_600_000_000) for hour in range(5)]


def test_coarsen_never_merges_more_time_than_a_weight_can_hold() -> None:
    second_ns, columns = 1_000_000_000, RunColumns()
    with patch.object(runs, "MAX_ROWS", 20):
        for second in range(0, 40_000, 10):
            columns.append(runs.Run(0, 1, 1, second * second_ns, second), (second + 10) * second_ns, 10)

    assert max(row[5] for row in columns.rows) < 0xFFFF_FFFF * 1000
    assert MAX_WINDOW_NS < 0xFFFF_FFFF * 1000 // 2
    assert sum(row[4] for row in columns.rows) == 40_000
