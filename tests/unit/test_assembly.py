"""Profiles made from stacks that come from elsewhere."""

from __future__ import annotations

import pytest

from nbspy.errors import StreamError
from nbspy.model.assembly import Assembler, foreign_hello
from nbspy.model.builder import MAX_TIME_NS, profile_from_stream
from nbspy.model.encoding import stream_of


def test_given_equal_rows_then_they_are_interned() -> None:
    assembler = Assembler()
    process = assembler.process(7, "python x")
    assert assembler.process(7, "python x") is process
    frames = [assembler.frame("f", "x.py", 3), assembler.frame("g", "x.py", 4), assembler.frame("f", "x.py", 3)]
    assert frames == [0, 1, 0]
    assert assembler.stack(frames) == 3
    assert assembler.stack(frames[:2]) == 2
    assert assembler.frame("f", line=-5) == assembler.frame("f", line=1 << 40) == 2


def test_given_a_run_longer_than_its_column_then_it_is_held_in_parts_without_loss() -> None:
    assembler = Assembler()
    thread = assembler.thread(assembler.process(7), "main", os_thread_id=7)
    weight_us = 3 * 0xFFFF_FFFF + 17
    assembler.run(thread, assembler.stack([assembler.frame("f")]), 5_000, state=1, count=1_000, weight_us=weight_us)
    profile = assembler.profile(foreign_hello())
    assert len(profile.runs) == 4
    assert (sum(profile.runs.count), sum(profile.runs.weight_us)) == (1_000, weight_us)
    assert profile.span_ns == (0, 5_000 + weight_us * 1000)
    again = profile_from_stream(stream_of(profile))
    assert again.runs == profile.runs


@pytest.mark.parametrize(
    ("start_ns", "count", "weight_us"),
    [(-1, 1, 1), (MAX_TIME_NS, 1, 1), (0, 0, 1), (0, 1 << 32, 1), (0, 1, -1), (0, 1, 1 << 32), (0, 9, 1 << 62)],
)
def test_given_numbers_out_of_range_then_they_are_refused(start_ns: int, count: int, weight_us: int) -> None:
    assembler = Assembler()
    thread = assembler.thread(assembler.process(7), "main", os_thread_id=7)
    with pytest.raises(StreamError, match="out of range"):
        assembler.run(thread, 0, start_ns, state=1, count=count, weight_us=weight_us)
