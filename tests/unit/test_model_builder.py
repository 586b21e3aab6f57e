"""Folding a stream into a profile, and refusing what contradicts itself."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy import wire
from nbspy.errors import StreamError
from nbspy.model.builder import Builder, profile_from_stream
from nbspy.model.encoding import stream_of
from nbspy.wire import State
from tests.unit.streams import Run, StreamWriter, hello, profile_of, status

runs = st.lists(
    st.builds(
        Run,
        st.lists(st.sampled_from(["a", "b", "c", "a:2"]), max_size=5).map(";".join),
        st.integers(0, 2),
        st.integers(0, 10_000_000),
        st.integers(1, 100),
        st.sampled_from([0, 1, 3, 4]),
        st.integers(0, 1_000_000),
    ),
    max_size=20,
)


def u32(*values: int) -> bytes:
    return array("I", values).tobytes()


def built(*records: wire.AnyRecord) -> Builder:
    builder = Builder()
    for record in (
        hello(),
        wire.Strings(2, 0, ["", "f"]),
        wire.Frames(3, 0, u32(1), u32(1), u32(0), u32(0), u32(0), array("i", [3]).tobytes(), u32(1), b"\0"),
        wire.Nodes(4, 1, u32(0, 1), u32(0, 0)),
        wire.Processes(5, [wire.ProcessRow(0, 42, 1, "python")]),
        wire.Threads(6, [wire.ThreadRow(0, 0, 7, 70, "main", 0)]),
        *records,
    ):
        builder.add(record)
    return builder


def samples(**changes: bytes | int) -> wire.Samples:
    values = {
        "sequence": 7,
        "base_time_ns": 1_000,
        "start_us": u32(1, 2),
        "thread": u32(0, 0),
        "node": u32(1, 2),
        "state": bytes([1, 3]),
        "count": u32(4, 5),
        "weight_us": u32(40, 50),
    }
    return wire.Samples(**{**values, **changes})  # type: ignore[arg-type]


def test_given_samples_when_folded_then_the_runs_are_there() -> None:
    profile = built(samples(), status(samples=5, time_ns=9_000_000)).snapshot()
    assert list(profile.runs.start_ns) == [2_000, 3_000]
    assert (profile.thread_sample_count, profile.sample_count, profile.duration_ns) == (9, 5, 9_000_000)


def test_given_a_snapshot_when_the_builder_goes_on_then_it_stays() -> None:
    builder = built(samples())
    before = builder.snapshot()
    builder.add(samples())
    builder.add(wire.Strings(9, 2, ["new"]))
    assert (before.thread_sample_count, builder.snapshot().thread_sample_count) == (9, 18)


def test_given_a_thread_row_again_then_the_newest_counts() -> None:
    builder = built(samples(), wire.Threads(8, [wire.ThreadRow(0, 0, 7, 70, "named late", 0)]))
    assert [thread.name for thread in builder.snapshot().threads] == ["named late"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (samples(node=u32(1, 3)), "node 3 is used before"),
        (samples(thread=u32(0, 1)), "thread 1 is used before"),
        (samples(count=u32(0, 1)), "no samples"),
        (samples(count=u32(1)), "differ in length"),
        (samples(state=b"\1\1\1"), "differ in length"),
        (samples(start_us=b"123"), "4-byte"),
        (samples(base_time_ns=-1), "out of range"),
        (samples(base_time_ns=2**63), "out of range"),
        (wire.Strings(8, 5, ["x"]), "string ids go on at 5"),
        (wire.Strings(8, 0, ["x"]), "string ids go on at 0"),
        (wire.Nodes(8, 3, u32(3), u32(0)), "before its parent"),
        (wire.Nodes(8, 3, u32(0), u32(1)), "frame 1 is used before"),
        (wire.Nodes(8, 2, u32(0), u32(0)), "node ids go on at 2"),
        (wire.Frames(8, 1, u32(2), u32(1), u32(0), u32(0), u32(0), u32(1), u32(1), b"\0"), "string 2 is used before"),
        (wire.Frames(8, 1, u32(1), u32(1), u32(0), u32(0), u32(0), u32(1), b"", b"\0"), "differ in length"),
        (wire.Threads(8, [wire.ThreadRow(2, 0, 7, 70, "", 0)]), "leaves a gap"),
        (wire.Threads(8, [wire.ThreadRow(-1, 0, 7, 70, "", 0)]), "leaves a gap"),
        (wire.Threads(8, [wire.ThreadRow(1, 1, 7, 70, "", 0)]), "not defined"),
        (wire.Processes(8, [wire.ProcessRow(2, 1, 1, "")]), "leaves a gap"),
        (hello(), "second hello"),
    ],
)
def test_given_a_contradiction_when_folded_then_it_is_refused_and_nothing_changes(
    record: wire.AnyRecord, message: str
) -> None:
    builder = built(samples())
    before = stream_of(builder.snapshot())
    with pytest.raises(StreamError, match=message):
        builder.add(record)
    assert stream_of(builder.snapshot()) == before


def test_given_another_major_format_then_it_is_refused_and_a_minor_is_not() -> None:
    with pytest.raises(StreamError, match="format 2"):
        Builder().add(hello(format=(2, 0)))
    Builder().add(hello(format=(1, 99)))


def test_given_no_hello_then_there_is_no_profile() -> None:
    with pytest.raises(StreamError, match="does not begin with a hello"):
        Builder().add(status())
    with pytest.raises(StreamError, match="before its hello"):
        profile_from_stream(wire.MAGIC)


@given(runs, st.integers(0, 3000))
def test_given_a_stream_cut_anywhere_then_it_is_a_profile_up_to_the_cut(made: list[Run], length: int) -> None:
    stream = StreamWriter(("x", "y", "z")).add(made).stream()
    first = len(wire.MAGIC) + len(wire.encode(hello()))
    profile = profile_from_stream(stream[: first + length])
    whole = profile_from_stream(stream)
    assert profile.thread_sample_count in (0, whole.thread_sample_count)


@given(runs)
def test_given_a_profile_when_written_as_a_stream_then_it_reads_back_equal(made: list[Run]) -> None:
    profile = StreamWriter(("x", "y", "z")).add(made).profile()
    again = profile_from_stream(stream_of(profile))
    assert again.runs == profile.runs
    assert again.tables == profile.tables
    assert again.threads == profile.threads
    assert list(again.stacks()) == list(profile.stacks())


def test_given_runs_hours_apart_when_written_then_their_times_come_back() -> None:
    profile = built(samples(), samples(base_time_ns=10**16), samples()).snapshot()
    assert profile_from_stream(stream_of(profile)).runs == profile.runs


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(1, 20))
def test_given_damage_anywhere_then_it_is_a_profile_or_a_stream_error(noise: bytes, at: int, removed: int) -> None:
    stream = StreamWriter(("x", "y")).add([Run("a;b", count=3), Run("a;c", 1, 5, state=int(State.GIL))]).stream()
    damaged = stream[:at] + noise + stream[at + removed :]
    try:
        profile = profile_from_stream(damaged)
    except StreamError:
        return
    profile.functions()
    profile.summary()


def test_given_more_notices_than_anyone_reads_then_they_are_bounded() -> None:
    builder = built(*[wire.Notice(8, i, "again") for i in range(1500)])
    assert len(builder.snapshot().notices) == 1000


def test_given_a_helper_profile_then_its_names_are_those_written() -> None:
    (stack,) = profile_of(Run("main@app.py:3;Worker.run@lib.py:9", count=2)).stacks()
    assert [(f.name, f.short_file, f.line) for f in stack.frames] == [
        ("main", "app.py", 3),
        ("Worker.run", "lib.py", 9),
    ]
