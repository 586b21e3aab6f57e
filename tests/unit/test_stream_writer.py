from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbspy import wire
from nbspy.cpython.interner import ROOT, FrameKey, Interner
from nbspy.model.builder import profile_from_stream
from nbspy.model.profile import Profile
from nbspy.sampling import runs, stream_writer
from nbspy.sampling.runs import RunTracker
from nbspy.sampling.stream_writer import StreamWriter

from .streams import hello

Stack = tuple[tuple[str, int], ...]
"""(function, line), root first."""


class Pipe:
    """A pipe whose reading end is read when the test says so."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.data = b""

    def read(self) -> int:
        """Take what is there now; return how many bytes that was."""
        before = len(self.data)
        try:
            while part := os.read(self.reader, 1 << 20):
                self.data += part
        except BlockingIOError:
            pass
        return len(self.data) - before

    def read_all(self, writer: StreamWriter) -> bytes:
        while not writer.flush():
            assert self.read() > 0
        self.read()
        return self.data

    def close(self) -> None:
        for end in (self.reader, self.writer):
            if end >= 0:
                os.close(end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def frame(name: str, line: int = 1) -> FrameKey:
    return FrameKey(name, f"Class.{name}", f"/src/{name}.py", f"{name}.py", name, line, 1)


def leaf(interner: Interner, stack: Stack) -> int:
    node = int(ROOT)
    for name, line in stack:
        node = interner.node(node, interner.frame(frame(name, line)))
    return node


def begin(writer: StreamWriter, threads: int) -> None:
    writer.put(hello(sequence=writer.next_sequence()))
    writer.put(wire.Processes(writer.next_sequence(), [wire.ProcessRow(0, 42, 1, "python")]))
    rows = [wire.ThreadRow(number, 0, None, 100 + number, "", 0) for number in range(threads)]
    writer.put(wire.Threads(writer.next_sequence(), rows))


def flush(writer: StreamWriter, interner: Interner, tracker: RunTracker) -> None:
    """What a sampler does a few times a second."""
    tracker.flush()
    writer.flush()
    if not writer.full:
        writer.put_tables(interner.take_new())
        writer.put_samples(tracker.columns)
        writer.flush()


def counts(profile: Profile) -> Counter[tuple[int, int, Stack]]:
    """Return the samples of each (thread, state, stack) of a profile."""
    tables, columns = profile.tables, profile.runs
    found: Counter[tuple[int, int, Stack]] = Counter()
    for thread, node, state, count in zip(columns.thread, columns.node, columns.state, columns.count, strict=True):
        stack: list[tuple[str, int]] = []
        while node:
            number = tables.nodes.frame[node]
            stack.append((tables.strings[tables.frames.name[number]], tables.frames.line[number]))
            node = tables.nodes.parent[node]
        found[thread, state, tuple(reversed(stack))] += count
    return found


FLUSH: list[tuple[Stack, int]] = [((("flush", 0),), 0)]
READ: list[tuple[Stack, int]] = [((("read", 0),), 0)]
"""Actions that are no observation."""

stacks = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3)), max_size=5).map(tuple)


@given(
    st.lists(
        st.one_of(
            st.sampled_from([FLUSH, READ]),
            st.lists(st.tuples(stacks, st.integers(0, 7)), min_size=3, max_size=3),
        ),
        max_size=60,
    )
)
@settings(max_examples=60)
def test_stream_of_any_sequence_folds_into_the_samples_that_were_given(
    actions: list[list[tuple[Stack, int]]],
) -> None:
    pipe = Pipe()
    try:
        writer, interner, tracker = StreamWriter(pipe.writer), Interner(), RunTracker()
        begin(writer, 3)
        expected: Counter[tuple[int, int, Stack]] = Counter()
        for tick, action in enumerate(actions):
            if action == FLUSH:
                flush(writer, interner, tracker)
            elif action == READ:
                pipe.read()
            else:
                seen = [(thread, leaf(interner, stack), bits) for thread, (stack, bits) in enumerate(action)]
                tracker.observe(1_000_000 * tick, seen)
                expected.update((thread, bits, stack) for thread, (stack, bits) in enumerate(action))
        tracker.finish(1_000_000 * len(actions))
        flush(writer, interner, tracker)

        profile = profile_from_stream(pipe.read_all(writer))
    finally:
        pipe.close()

    assert counts(profile) == expected


def test_stream_when_the_reader_stands_still_for_long_is_bounded_and_loses_nothing(pipe: Pipe) -> None:
    writer, interner, tracker = StreamWriter(pipe.writer), Interner(), RunTracker()
    randomness = random.Random(1)
    expected: Counter[tuple[int, int, Stack]] = Counter()
    begin(writer, 2)
    full = 0
    with patch.object(stream_writer, "MAX_PENDING_BYTES", 50_000), patch.object(runs, "MAX_ROWS", 500):
        tracker.columns = runs.RunColumns()
        for tick in range(20_000):
            seen = [(thread, ((("f", randomness.randrange(100)),))) for thread in range(2)]
            tracker.observe(1_000_000 * tick, [(thread, leaf(interner, stack), 1) for thread, stack in seen])
            expected.update((thread, 1, stack) for thread, stack in seen)
            if tick % 20 == 19:
                flush(writer, interner, tracker)
                full += writer.full
                assert writer.pending < 60_000
                assert len(tracker.columns) <= 800
        tracker.finish(1_000_000 * 20_000)
        assert full > 500
        pipe.read_all(writer)
        flush(writer, interner, tracker)
        stream = pipe.read_all(writer)

    profile = profile_from_stream(stream)
    assert counts(profile) == expected
    weights: Counter[int] = Counter()
    for thread, weight in zip(profile.runs.thread, profile.runs.weight_us, strict=True):
        weights[thread] += weight
    assert weights == {0: 20_000_000, 1: 20_000_000}


def test_records_of_a_stream_are_numbered_without_a_gap(pipe: Pipe) -> None:
    writer, interner, tracker = StreamWriter(pipe.writer), Interner(), RunTracker()
    begin(writer, 1)
    for tick in range(10):
        tracker.observe(1_000_000 * tick, [(0, leaf(interner, (("f", tick),)), 1)])
        flush(writer, interner, tracker)

    bodies = list(wire.FrameSplitter().feed(pipe.read_all(writer)))
    records = [wire.decode(body) for body in bodies]

    assert [record.sequence for record in records if record is not None] == list(range(1, len(bodies) + 1))


def test_put_tables_cuts_what_is_long_into_records_that_a_reader_takes(pipe: Pipe) -> None:
    writer, interner = StreamWriter(pipe.writer), Interner()
    with patch.object(wire, "MAX_RECORD_BYTES", 1 << 20), patch.object(stream_writer, "MAX_TABLE_BYTES", 1 << 17):
        begin(writer, 1)
        node = int(ROOT)
        for number in range(300):
            node = interner.node(node, interner.frame(frame(f"{number}" + "\U0001f40d" * 1000)))
        for number in range(120_000):
            node = interner.node(node, number % 300)
        writer.put_tables(interner.take_new())
        profile = profile_from_stream(pipe.read_all(writer))

    assert len(profile.tables.strings) == 1 + 4 * 300
    assert len(profile.tables.frames) == 300
    assert list(profile.tables.nodes.parent) == [0, *range(120_300)]


def test_put_tables_with_texts_that_are_no_utf_8_writes_what_can_be_read(pipe: Pipe) -> None:
    writer, interner = StreamWriter(pipe.writer), Interner()
    begin(writer, 1)
    interner.frame(frame("lone\ud800\udcff"))
    interner.frame(frame("nul\0 and \U0001f40d"))
    writer.put_tables(interner.take_new())

    strings = profile_from_stream(pipe.read_all(writer)).tables.strings

    assert strings[1].startswith("lone�")
    assert "nul\0 and \U0001f40d" in strings
    assert all(text.encode() for text in strings[1:])


def test_flush_when_the_reader_is_gone_says_so_and_goes_on(pipe: Pipe) -> None:
    writer = StreamWriter(pipe.writer)
    os.close(pipe.reader)
    pipe.reader = -1

    assert not writer.broken
    writer.flush()
    assert writer.broken
    writer.put(hello())
    assert writer.flush()


def test_stream_begins_with_the_signature(pipe: Pipe) -> None:
    assert pipe.read_all(StreamWriter(pipe.writer)) == wire.MAGIC
