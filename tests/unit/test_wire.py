"""The stream's framing and records: whatever comes in, in whatever pieces, is a record or a StreamError."""

from __future__ import annotations

import itertools
from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy import wire
from nbspy.errors import StreamError
from tests.unit.streams import hello, status

texts = st.text(max_size=20)
u32 = st.integers(0, 2**32 - 1)
columns = st.binary(max_size=20)  # what is in them is not looked at here
records = st.one_of(
    st.builds(wire.Strings, u32, u32, st.lists(texts, max_size=4)),
    st.builds(wire.Nodes, u32, u32, columns, columns),
    st.builds(wire.Frames, u32, u32, *[columns] * 8),
    st.builds(wire.Samples, u32, st.integers(0, 2**62), *[columns] * 6),
    st.builds(
        wire.Threads,
        u32,
        st.lists(st.builds(wire.ThreadRow, u32, u32, st.none() | u32, st.integers(0, 2**63), texts, u32), max_size=3),
    ),
    st.builds(wire.Processes, u32, st.lists(st.builds(wire.ProcessRow, u32, u32, u32, texts), max_size=3)),
    st.builds(wire.End, u32, u32, texts, texts, texts, texts),
    st.builds(wire.Labels, u32, st.lists(st.tuples(texts, texts), max_size=3)),
    st.builds(wire.Notice, u32, u32, texts),
    st.builds(lambda n: status(samples=n), u32),
    st.builds(lambda text: hello(command_line=text), texts),
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


@given(st.lists(records, max_size=6), st.lists(st.integers(0, 2000), max_size=10))
def test_given_records_when_cut_anywhere_then_the_same_come_out(sent: list[wire.Record], cuts: list[int]) -> None:
    data = wire.MAGIC + b"".join(map(wire.encode, sent))
    splitter = wire.FrameSplitter()
    received = [wire.decode(body) for piece in pieces(data, cuts) for body in splitter.feed(piece)]
    assert received == sent
    assert splitter.pending == 0


@given(st.lists(records, min_size=1, max_size=4), st.integers(0, 500))
def test_given_a_stream_that_ends_early_then_the_whole_records_come_out(sent: list[wire.Record], length: int) -> None:
    encoded = [wire.encode(record) for record in sent]
    data = (wire.MAGIC + b"".join(encoded))[:length]
    splitter = wire.FrameSplitter()
    received = [wire.decode(body) for body in splitter.feed(data)]
    assert received == sent[: len(received)]
    whole = len(wire.MAGIC) + sum(map(len, encoded[: len(received)]))
    assert splitter.pending == max(0, len(data) - whole) if received else splitter.pending <= len(data)


@given(st.binary(max_size=200))
def test_given_any_bytes_when_decoded_then_it_is_a_record_or_a_stream_error(body: bytes) -> None:
    try:
        record = wire.decode(body)
    except StreamError:
        return
    assert record is None or isinstance(record, wire.Record)


@given(st.binary(min_size=1, max_size=64), st.lists(st.integers(0, 64), max_size=4))
def test_given_no_signature_when_fed_then_it_is_refused_at_the_first_wrong_byte(data: bytes, cuts: list[int]) -> None:
    splitter = wire.FrameSplitter()
    if wire.MAGIC.startswith(data[: len(wire.MAGIC)]):
        return
    with pytest.raises(StreamError, match="not an nbspy recording"):
        list(itertools.chain.from_iterable(map(splitter.feed, pieces(data, cuts))))


def test_given_a_record_above_the_bound_when_announced_then_it_is_refused_before_it_comes() -> None:
    splitter = wire.FrameSplitter()
    assert list(splitter.feed(wire.MAGIC)) == []
    with pytest.raises(StreamError, match="bound"):
        list(splitter.feed((wire.MAX_RECORD_BYTES + 1).to_bytes(4, "little")))


@given(st.integers(12, 127), st.lists(st.integers(), max_size=5).filter(lambda v: all(abs(i) < 2**63 for i in v)))
def test_given_an_unknown_kind_when_decoded_then_it_is_passed_over(kind: int, fields: list[int]) -> None:
    assert wire.decode(msgspec.msgpack.encode([kind, 1, *fields])) is None


def test_given_trailing_fields_when_decoded_then_they_are_ignored() -> None:
    known = wire.Notice(3, 5, "text")
    body = msgspec.msgpack.encode([10, 3, 5, "text", "of a later version", 7])
    assert wire.decode(body) == known


@given(st.lists(st.integers(-(2**31), 2**31 - 1)))
def test_given_a_column_when_sent_then_it_comes_back(values: list[int]) -> None:
    column = array("i", values)
    assert wire.column("i", wire.column_bytes(column)) == column


def test_given_a_column_with_a_rest_then_it_is_refused() -> None:
    with pytest.raises(StreamError, match="4-byte"):
        wire.column("I", b"12345")


def test_given_lone_surrogates_when_encoded_then_they_are_replaced_and_the_rest_is_as_it_was() -> None:
    record = wire.Threads(3, [wire.ThreadRow(0, 0, None, 7, "a\ud800b\U0001f40d", 0)])
    (body,) = wire.FrameSplitter().feed(wire.MAGIC + wire.encode(record))
    assert wire.decode(body) == wire.Threads(3, [wire.ThreadRow(0, 0, None, 7, "a\ufffdb\U0001f40d", 0)])
