"""Sessions without end: memory stays within its budget, and no sample is lost."""

from __future__ import annotations

import itertools
import threading
import tracemalloc
from array import array
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy import wire
from nbspy.bounds import SLICE_S, Bounds
from nbspy.byte_log import ByteLog
from nbspy.model.builder import Builder, profile_from_stream
from nbspy.model.coarsening import MAX_COUNT, coarsened, coarsening
from nbspy.model.profile import Profile
from nbspy.model.tables import NodeColumns, RunColumns
from nbspy.views.relay import Relay
from tests.unit.streams import hello, status

U32 = st.integers(1, MAX_COUNT)
ROWS = st.lists(
    st.tuples(st.integers(0, 10**12), st.integers(0, 3), st.integers(0, 6), st.integers(0, 1), U32, U32), max_size=60
)
NODES = NodeColumns(array("I", [0, 0, 1, 2, 3, 1, 5]), array("I", [0, 0, 1, 2, 3, 4, 5]))
"""1 below the root, 2 to 4 each below the last, 5 below 1, 6 below 5."""


def columns(rows: list[tuple[int, ...]]) -> RunColumns:
    made = RunColumns()
    for row in rows:
        for column, value in zip(
            (made.start_ns, made.thread, made.node, made.state, made.count, made.weight_us), row, strict=True
        ):
            column.append(value)
    return made


def sums(runs: RunColumns, *, with_node: bool = True) -> Counter[tuple[int, ...]]:
    """Return the samples and the microseconds of each thread, state and leaf."""
    found: Counter[tuple[int, ...]] = Counter()
    for thread, node, state, count, weight in zip(
        runs.thread, runs.node, runs.state, runs.count, runs.weight_us, strict=True
    ):
        key = (thread, state, node if with_node else 0)
        found[*key, 0] += count
        found[*key, 1] += weight
    return +found


@given(ROWS, st.integers(1, 80))
def test_coarsened_rows_have_the_same_sums_and_are_few(rows: list[tuple[int, ...]], wanted: int) -> None:
    runs = columns(rows)
    coarse, _ = coarsened(runs, wanted, NODES)
    assert sums(coarse, with_node=False) == sums(runs, with_node=False)
    keys = len({(row[1], row[3]) for row in rows})
    full = sum(row[4] + row[5] for row in rows) // MAX_COUNT  # rows that 32 bits cut in two
    assert len(coarse) <= max(wanted, keys) + 2 * full
    if len({row[1:4] for row in rows}) + 2 * full <= wanted:
        assert sums(coarse) == sums(runs), "stacks are cut only where time alone does not do"


def test_coarsened_rows_of_a_thread_follow_each_other_within_its_time() -> None:
    rows = [(1000 * i, i % 2, 1 + i % 5, 0, 1, 1) for i in range(4000)]
    coarse, _ = coarsened(columns(rows), 400, NODES)
    assert len(coarse) <= 400
    for thread in range(2):
        spans = [
            (start, start + 1000 * weight)
            for start, weight, of in zip(coarse.start_ns, coarse.weight_us, coarse.thread, strict=True)
            if of == thread
        ]
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(sorted(spans)))
        assert max(end for _, end in spans) <= 4_001_000


def test_stacks_that_are_all_different_lose_their_deepest_frames_and_no_sample() -> None:
    nodes = NodeColumns()
    for node in range(1, 1001):  # ten stacks of a hundred frames
        nodes.parent.append(0 if node % 100 == 1 else node - 1)
        nodes.frame.append(0)
    runs = columns([(node, 0, node, 0, 1, 1) for node in range(1, 1001)])
    coarse, _ = coarsened(runs, 100, nodes)
    assert len(coarse) <= 100
    assert sum(coarse.count) == 1000
    assert len(set(coarse.node)) > 20, "no more is lost than must be"


class Simulation:
    """A session whose sampler sends ``seconds`` in which ``threads`` change their stacks every sample."""

    def __init__(self, threads: int = 4, slice_s: float = SLICE_S, **budgets: int) -> None:
        self.builder, self.log = Builder(), ByteLog()
        self.bounds = Bounds(self.builder, self.log, slice_s=slice_s, **budgets)
        self.threads = threads
        self.second = 0
        self.most_rows = self.most_bytes = 0
        rows = [wire.ThreadRow(i, 0, i + 1, i + 1, f"t{i}", 0) for i in range(threads)]
        zero = array("I", [0]).tobytes()
        self.take(wire.MAGIC, hello(), wire.Processes(2, [wire.ProcessRow(0, 1, 0, "python")]), wire.Threads(3, rows))
        self.take(
            b"", wire.Strings(4, 0, ["", "f"]), wire.Frames(5, 0, zero, zero, zero, zero, zero, zero, zero, b"\0")
        )

    def take(self, before: bytes, *records: wire.AnyRecord) -> None:
        for record in records:
            self.builder.add(record)
        self.log.append(before + b"".join(map(wire.encode, records)))
        self.bounds.keep(threading.Condition())
        self.most_rows = max(self.most_rows, self.builder.run_count)
        self.most_bytes = max(self.most_bytes, self.log.held)

    def run(self, seconds: int, stacks: int) -> None:
        """Each second brings 100 samples a thread, in turn of ``stacks`` stacks; a new one is defined each second."""
        known = len(self.builder._tables.nodes)
        for _ in range(seconds):
            records: list[wire.AnyRecord] = []
            if known <= stacks:
                records.append(
                    wire.Nodes(6, known, array("I", [max(0, known - 1)]).tobytes(), array("I", [0]).tobytes())
                )
                known += 1
            u32: list[array[int]] = [array("I") for _ in range(5)]
            for sample in range(100):
                for thread in range(self.threads):
                    node = (self.second * 7 + sample * (thread + 1)) % known
                    for column, value in zip(u32, (sample * 10_000, thread, node, 1, 10_000), strict=True):
                        column.append(value)
            start, thread_column, node_column, count, weight = (column.tobytes() for column in u32)
            state = bytes(100 * self.threads)
            base = self.second * 10**9
            records.append(wire.Samples(7, base, start, thread_column, node_column, state, count, weight))
            samples = 100 * (self.second + 1)
            records.append(status(samples=samples, thread_samples=samples * self.threads, time_ns=base + 10**9))
            self.take(b"", *records)
            self.second += 1


def expected(threads: int, seconds: int) -> tuple[int, int]:
    return seconds * 100 * threads, seconds * 10**6 * threads


def totals(profile: Profile) -> tuple[int, int]:
    return sum(profile.runs.count), sum(profile.runs.weight_us)


@pytest.mark.parametrize("stacks", [3, 40, 300])
def test_long_session_stays_within_its_budgets_and_counts_are_exact(stacks: int) -> None:
    budgets = {"max_runs": 4000, "max_log_bytes": 200_000, "kept_bytes": 20_000}
    simulation = Simulation(**budgets)
    before = simulation.builder.snapshot()
    simulation.run(90, stacks)

    assert simulation.bounds.halvings > 3
    assert simulation.most_rows < 1.5 * 4000
    assert simulation.most_bytes < 1.5 * 200_000
    profile = simulation.builder.snapshot()
    assert totals(profile) == expected(4, 90)
    assert profile.thread_sample_count == profile.status.thread_samples if profile.status else False
    assert len(before.runs) == 0, "profiles made before stay what they were"
    again = profile_from_stream(simulation.log.read())
    assert sums(again.runs) == sums(profile.runs)
    assert (again.threads, again.tables.strings) == (profile.threads, profile.tables.strings)
    assert list(again.tables.nodes.parent) == list(profile.tables.nodes.parent)


def test_halving_goes_in_slices_and_what_comes_meanwhile_is_kept() -> None:
    """A million rows take seconds, and the process that holds them runs somebody's cells."""
    plain = Simulation(max_runs=10**9, max_log_bytes=10**9)
    sliced = Simulation(max_runs=20_000, max_log_bytes=10**9, kept_bytes=20_000, slice_s=0.0)
    calls = meanwhile = 0
    while not sliced.bounds.halvings:
        plain.run(1, 300)
        sliced.run(1, 300)
        calls += sliced.bounds._halving is not None
        if calls == 1:
            meanwhile = plain.second
    assert calls > 5, "it was done at once"
    assert sliced.second > meanwhile
    plain.run(3, 300)
    sliced.run(3, 300)

    assert sliced.most_rows <= 1.25 * 20_000 + 400, "and no more than a quarter came meanwhile"
    newest = sliced.log.read(sliced.log.base, 1 << 30)
    assert plain.log.read().endswith(newest)
    assert totals(sliced.builder.snapshot()) == totals(plain.builder.snapshot()) == expected(4, plain.second)
    assert totals(profile_from_stream(sliced.log.read())) == expected(4, plain.second)


def test_halving_that_falls_behind_is_ended_at_once() -> None:
    simulation = Simulation(max_runs=4000, max_log_bytes=10**9, kept_bytes=20_000, slice_s=0.0)
    simulation.run(60, 300)
    assert simulation.bounds.halvings > 5
    assert simulation.most_rows <= 1.25 * 4000 + 2 * 400


@pytest.mark.parametrize("stacks", [30, 100_000], ids=["merged in time", "merged in depth"])
def test_no_step_of_a_halving_is_long(stacks: int) -> None:
    """Steps are counted, for time on a machine under load says little: none sees more than its share of the rows."""
    nodes = NodeColumns()
    for node in range(1, stacks):
        nodes.parent.append(node * 7919 % node)
        nodes.frame.append(0)
    runs = columns([(1000 * i, i % 4, i * 7919 % stacks, 0, 1, 1) for i in range(60_000)])
    steps = 0
    working = coarsening(runs, 20_000, nodes)
    while True:
        try:
            next(working)
        except StopIteration as done:
            coarse, _ = done.value
            break
        steps += 1
    assert len(coarse) <= 20_000
    assert steps > 2 * 60_000 / 8192
    assert sums(coarse, with_node=False) == sums(runs, with_node=False)


def test_memory_of_a_row_is_what_the_budget_in_bytes_counts_on() -> None:
    """200 bytes: a million rows and the process itself, 40 MiB, stay below 300 MiB."""
    rows = 8_000
    simulation = Simulation(max_runs=rows, max_log_bytes=32 * rows, kept_bytes=4 * rows)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        simulation.run(45, 2_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert simulation.bounds.halvings > 1
    assert totals(simulation.builder.snapshot()) == expected(4, 45)
    assert (peak - before) / rows < 200


def test_newest_part_is_never_touched() -> None:
    simulation = Simulation(max_runs=4000, max_log_bytes=200_000, kept_bytes=20_000)
    simulation.run(50, 10)
    plain = Simulation(max_runs=10**9, max_log_bytes=10**9)
    plain.run(50, 10)

    assert simulation.bounds.halvings > 0
    newest = simulation.log.read(simulation.log.base, 1 << 30)
    assert len(newest) >= 20_000
    assert plain.log.read().endswith(newest)


def test_notices_and_labels_come_once_also_after_shortening() -> None:
    simulation = Simulation(max_runs=4000, max_log_bytes=200_000, kept_bytes=20_000)
    for number in range(30):
        simulation.take(b"", wire.Notice(0, number, f"notice {number}"), wire.Labels(0, [("a.py", f"In[{number}]")]))
        simulation.run(2, 10)
    again = profile_from_stream(simulation.log.read())
    assert simulation.bounds.halvings > 0
    assert [notice.text for notice in again.notices] == [f"notice {number}" for number in range(30)]
    assert again.labels == {"a.py": "In[29]"}


class Browser:
    """What the explorer's source does with messages: see js/src/widget.ts."""

    def __init__(self) -> None:
        self.data = b""
        self.next = self.head = 0

    def receive(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        head = message.get("head", 0)
        if head and self.next == 0:
            self.head = head
        if head and head != self.head:
            return
        offset, (data,) = message["offset"], buffers
        if offset <= self.next:
            fresh = data[self.next - offset :]
            self.data += fresh
            self.next += len(fresh)
        if self.next == offset + len(data):
            self.next = max(self.next, message.get("next", 0))


def test_browser_that_was_there_goes_on_and_one_that_comes_late_begins_with_less_detail() -> None:
    simulation = Simulation(max_runs=4000, max_log_bytes=200_000, kept_bytes=60_000)
    browsers = [Browser()]
    relay = Relay(simulation.log, lambda message, buffers: [b.receive(message, buffers) for b in browsers] and None)
    for _ in range(70):
        simulation.run(1, 10)
        relay.step()
    browsers.append(Browser())
    relay.rewind(0)
    simulation.log.close()
    while relay.step() is not None:
        pass

    early, late = browsers
    assert simulation.bounds.halvings > 0
    assert early.next == late.next == simulation.log.size
    assert late.data == simulation.log.read()
    assert totals(profile_from_stream(early.data)) == totals(profile_from_stream(late.data)) == expected(4, 70)
    assert len(profile_from_stream(late.data).runs) < len(profile_from_stream(early.data).runs)


def test_log_refuses_a_beginning_that_is_no_shorter() -> None:
    log = ByteLog()
    log.append(b"0123456789")
    with pytest.raises(ValueError, match="beginning"):
        log.shorten(b"0123456789", 5)
    log.shorten(b"ab", 5)
    assert (log.read(), log.size, log.held, log.goes_on_at(2), log.goes_on_at(1)) == (b"ab56789", 10, 7, 5, 1)
    assert log.read(5, 2) == b"56"
    assert log.read(1, 100) == b"b"
