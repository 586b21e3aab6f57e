from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.cpython.line_table import Entry, LineTable, decode, line_at, location_table_runs, positions_at
from nbspy.errors import CorruptTarget

HEAD = st.integers(0x80, 0xFF)
TAIL = st.binary(max_size=9).map(lambda data: bytes(byte & 0x7F for byte in data))
NEARLY_TABLES = st.lists(st.builds(lambda head, tail: bytes([head]) + tail, HEAD, TAIL), max_size=40).map(b"".join)
"""Bytes that begin entries where entries begin, so that decoding gets far."""
TABLES = st.one_of(st.binary(max_size=200), NEARLY_TABLES)
FIRST_LINES = st.integers(-(2**31) + 1, 2**31 - 1)

NO_COLUMNS, LONG, NONE = 13, 14, 15


def entry(form: int, units: int, *data: int) -> bytes:
    return bytes([0x80 | form << 3 | units - 1, *data])


def code_objects(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from code_objects(constant)


def test_decode_when_a_short_form_comes_keeps_the_line_and_gives_columns() -> None:
    assert list(decode(entry(2, 3, 0x45), 7)) == [Entry(0, 6, 7, 7, 20, 25)]


@pytest.mark.parametrize(("form", "delta"), [(10, 0), (11, 1), (12, 2)])
def test_decode_when_a_one_line_form_comes_adds_its_delta(form: int, delta: int) -> None:
    assert list(decode(entry(form, 1, 3, 9), 7)) == [Entry(0, 2, 7 + delta, 7 + delta, 3, 9)]


def test_decode_when_a_long_form_comes_gives_the_end_line_and_shifted_columns() -> None:
    table = entry(LONG, 8, 2 << 1 | 1, 3, 0, 5)

    assert list(decode(table, 7)) == [Entry(0, 16, 5, 8, None, 4)]


def test_decode_when_numbers_take_several_bytes_reads_six_bits_a_byte() -> None:
    delta = 1000 << 1

    assert list(decode(entry(NO_COLUMNS, 1, 0x40 | delta & 63, delta >> 6), 1)) == [Entry(0, 2, 1001, 1001, None, None)]


def test_line_at_when_an_entry_has_no_line_is_0_and_the_lines_after_it_go_on() -> None:
    table = entry(11, 1, 0, 0) + entry(NONE, 2) + entry(11, 1, 0, 0)

    assert [line_at(table, 7, offset) for offset in (0, 2, 4, 6)] == [8, 0, 0, 9]


def test_line_at_when_the_offset_is_where_an_entry_ends_gives_the_next_one() -> None:
    table = entry(10, 2, 0, 0) + entry(11, 1, 0, 0)

    assert [line_at(table, 7, offset) for offset in (0, 1, 2, 3, 4, 5)] == [7, 7, 7, 7, 8, 8]


def test_line_at_when_the_offset_lies_before_the_first_instruction_is_the_first_line() -> None:
    assert line_at(entry(11, 1, 0, 0), 7, -2) == 7
    assert line_at(b"", 7, -2) == 7


def test_line_at_when_the_offset_lies_behind_the_code_is_0() -> None:
    table = entry(11, 2, 0, 0)

    assert [line_at(table, 7, offset) for offset in (4, 5, 1000)] == [0, 0, 0]
    assert line_at(b"", 7, 0) == 0


def test_line_at_when_the_first_line_is_negative_is_0_rather_than_a_line_that_is_none() -> None:
    assert line_at(entry(10, 1, 0, 0) + entry(11, 1, 0, 0), -1, 0) == 0
    assert line_at(b"", -5, -2) == 0


def test_positions_at_when_no_entry_covers_the_offset_is_none() -> None:
    table = entry(10, 1, 3, 9)

    assert positions_at(table, 7, 0) == Entry(0, 2, 7, 7, 3, 9)
    assert positions_at(table, 7, 2) is None
    assert positions_at(table, 7, -2) is None


@pytest.mark.parametrize(
    "table",
    [
        b"\x00",
        entry(0, 1),
        entry(0, 1, 0x80),
        entry(10, 1, 3),
        entry(10, 1, 0x80, 3),
        entry(10, 1, 3, 0x80),
        entry(NO_COLUMNS, 1),
        entry(NO_COLUMNS, 1, 0x40),
        entry(NO_COLUMNS, 1, *[0x7F] * 100),
        entry(LONG, 1, 0, 0, 0),
        entry(NONE, 1, 0),
        entry(NO_COLUMNS, 1, 0x7E, 0x7F, 0x7F, 0x7F, 0x7F, 0x3F),
    ],
)
def test_decoders_when_the_table_is_malformed_refuse_it(table: bytes) -> None:
    with pytest.raises(CorruptTarget):
        list(decode(table, 1))
    with pytest.raises(CorruptTarget):
        location_table_runs(table, 1)


@given(TABLES, FIRST_LINES)
def test_decoders_when_the_bytes_are_arbitrary_agree_or_both_refuse(table: bytes, first_line: int) -> None:
    try:
        entries = list(decode(table, first_line))
    except CorruptTarget:
        with pytest.raises(CorruptTarget):
            location_table_runs(table, first_line)
        return
    lines = LineTable(table, first_line)
    for item in entries:
        for offset in range(item.start, item.end):
            assert lines.line_at(offset) == max(item.line or 0, 0)
    assert lines.line_at(entries[-1].end if entries else 0) == 0


@given(TABLES, FIRST_LINES)
def test_decode_when_the_bytes_are_arbitrary_gives_entries_that_follow_each_other(
    table: bytes, first_line: int
) -> None:
    entries: list[Entry] = []
    with contextlib.suppress(CorruptTarget):
        entries.extend(decode(table, first_line))
    assert all(item.start < item.end and item.end - item.start <= 16 for item in entries)
    assert all(a.end == b.start for a, b in pairwise(entries))
    assert len(entries) <= len(table)


@given(
    st.lists(
        st.sampled_from(
            [
                "x = 1",
                "def f(a, b=2):\n    return [\n        i\n        for i in a\n    ]",
                "class C:\n    '''text'''\n    y: int = (1 +\n        2)",
                "\n\n\n",
                "try:\n    x = 1\nfinally:\n    del x",
                "with open as f, f as g: pass",
                "async def g():\n    async for i in g(): yield i",
                "x = lambda: (yield)" + " " * 200 + "; y = 3",
                "#\n" * 90,
            ]
        ),
        max_size=12,
    )
)
def test_decode_when_python_compiled_the_code_says_what_python_says(statements: list[str]) -> None:
    for code in code_objects(compile("\n".join(statements), "<test>", "exec")):
        units = [
            item[2:] for item in decode(code.co_linetable, code.co_firstlineno) for _ in range(item.start, item.end, 2)
        ]
        assert units == list(code.co_positions())
