from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.cpython.layout import LineFormat
from nbspy.cpython.line_table import DECODERS, LineTable
from nbspy.errors import CorruptTarget

TABLES = st.binary(max_size=200)
FIRST_LINES = st.integers(-(2**20), 2**20)
OLDER = [LineFormat.UNSIGNED_LNOTAB, LineFormat.LNOTAB, LineFormat.PAIRS]


def lines(line_format: LineFormat, table: bytes, count: int, first_line: int = 7) -> list[int]:
    reader = LineTable(table, first_line, line_format)
    return [reader.line_at(offset) for offset in range(count)]


def plain_lnotab(table: bytes, first_line: int, wanted: int, signed: bool) -> int:
    """``PyCode_Addr2Line`` of CPython 3.9, and of 2.7 where not ``signed``."""
    line, address = first_line, 0
    for position in range(0, len(table) // 2 * 2, 2):
        address += table[position]
        if address > wanted:
            break
        delta = table[position + 1]
        line += delta - 256 if signed and delta >= 128 else delta
    return line


def plain_pairs(table: bytes, first_line: int, wanted: int) -> int:
    """``PyCode_Addr2Line`` of CPython 3.10; 0 where it says -1."""
    end, line = 0, first_line
    for position in range(0, len(table), 2):
        end += table[position]
        delta = table[position + 1] - 256 if table[position + 1] >= 128 else table[position + 1]
        if delta != -128:
            line += delta
        if wanted < end:
            return 0 if delta == -128 else line
    return 0


def test_lnotab_when_a_delta_is_above_127_goes_back_since_36_and_forward_in_27() -> None:
    table = bytes([2, 0xFF, 2, 3])

    assert lines(LineFormat.LNOTAB, table, 6) == [7, 7, 6, 6, 9, 9]
    assert lines(LineFormat.UNSIGNED_LNOTAB, table, 6) == [7, 7, 262, 262, 265, 265]


def test_lnotab_when_pairs_have_no_length_adds_them_up() -> None:
    assert lines(LineFormat.LNOTAB, bytes([0, 100, 0, 100, 2, 1]), 3) == [207, 207, 208]
    assert lines(LineFormat.LNOTAB, bytes([255, 0, 1, 4]), 257)[254:] == [7, 7, 11]


def test_lnotab_when_it_is_empty_or_cut_short_keeps_the_line_it_had() -> None:
    assert lines(LineFormat.LNOTAB, b"", 3) == [7, 7, 7]
    assert lines(LineFormat.LNOTAB, b"\2\1\2", 6) == [7, 7, 8, 8, 8, 8]


def test_pairs_when_a_stretch_has_no_line_is_0_and_the_address_goes_on() -> None:
    table = bytes([2, 0, 4, 0x80, 2, 1, 2, 0xFF])

    assert lines(LineFormat.PAIRS, table, 12) == [7, 7, 0, 0, 0, 0, 8, 8, 7, 7, 0, 0]


def test_pairs_when_a_stretch_has_no_length_moves_the_line_only() -> None:
    assert lines(LineFormat.PAIRS, bytes([0, 100, 0, 0x80, 2, 1]), 2) == [108, 108]


def test_pairs_when_one_is_cut_short_are_refused() -> None:
    with pytest.raises(CorruptTarget):
        LineTable(b"\2\0\2", 1, LineFormat.PAIRS).line_at(0)


@pytest.mark.parametrize("line_format", OLDER)
def test_line_at_when_nothing_has_run_is_the_first_line(line_format: LineFormat) -> None:
    assert LineTable(b"\2\2", 7, line_format).line_at(-1) == 7
    assert LineTable(b"\2\2", -7, line_format).line_at(-1) == 0


@pytest.mark.parametrize("line_format", OLDER)
def test_decoders_when_lines_are_beyond_a_c_int_refuse_them(line_format: LineFormat) -> None:
    with pytest.raises(CorruptTarget):
        LineTable(b"\2\x7f" * 2, 2**31 - 100, line_format).line_at(0)


@given(TABLES, FIRST_LINES, st.booleans())
def test_lnotab_when_the_bytes_are_arbitrary_says_what_cpython_says(
    table: bytes, first_line: int, signed: bool
) -> None:
    reader = LineTable(table, first_line, LineFormat.LNOTAB if signed else LineFormat.UNSIGNED_LNOTAB)
    for offset in range(sum(table[::2]) + 3):
        assert reader.line_at(offset) == max(plain_lnotab(table, first_line, offset, signed), 0)


@given(TABLES.filter(lambda table: len(table) % 2 == 0), FIRST_LINES)
def test_pairs_when_the_bytes_are_arbitrary_say_what_cpython_says(table: bytes, first_line: int) -> None:
    reader = LineTable(table, first_line, LineFormat.PAIRS)
    for offset in range(sum(table[::2]) + 3):
        assert reader.line_at(offset) == max(plain_pairs(table, first_line, offset), 0)


@given(TABLES, FIRST_LINES, st.sampled_from(OLDER))
def test_decoders_when_the_bytes_are_arbitrary_give_ascending_starts(
    table: bytes, first_line: int, line_format: LineFormat
) -> None:
    if line_format is LineFormat.PAIRS:
        table = table[: len(table) // 2 * 2]
    starts, found = DECODERS[line_format](table, first_line)
    assert starts == sorted(set(starts[:-1])) + starts[-1:]
    assert len(starts) == len(found)
    assert min(found) >= 0
    assert found[-1] == 0
