"""Line tables: which source line (and columns) an instruction comes from.

<= 3.9: ``co_lnotab`` (``Objects/lnotab_notes.txt``), pairs of bytes: so far to the next instruction that has another
line, so many lines further. Lines can go back since 3.6; 2.7 has no signed bytes.

3.10: ``co_linetable`` (the same file of 3.10), pairs of bytes: so long is this stretch, so many lines is it from the
last one; -128 for a stretch without a line.

3.11+: ``co_linetable`` is a location table (``Objects/locations.md``, since 3.13 ``InternalDocs/code_objects.md``). An
entry covers some code units from where the last one ended, its end exclusive. The first byte, with bit 7 set, holds
the form in bits 3-6 and the length in code units, less one, in bits 0-2; the bytes after it, with bit 7 clear, depend
on the form. A line is counted from the line of the last entry that had one.

A format is a function with the signature of :func:`location_table_runs`, found in :data:`DECODERS`. The bytes are the
target's: decoding always ends, and what is malformed is a CorruptTarget.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from nbspy.cpython.layout import LineFormat
from nbspy.errors import CorruptTarget

CODE_UNIT: Final = 2
"""Bytes of one code unit (``_Py_CODEUNIT``)."""
_MAX_NUMBER: Final = 1 << 31
_MAX_VARINT_BITS: Final = 36
"""Six bits a byte: what a C int may take."""

_SIGN_BIT: Final = 0x80
_NO_LINE: Final = 0x80
"""-128 as a byte."""
_NO_END: Final = 1 << 40
"""An lnotab does not tell where the code ends."""

_ONE_LINE: Final = 10
_NO_COLUMNS: Final = 13
_LONG: Final = 14
_NONE: Final = 15

Runs = tuple[list[int], list[int]]
"""Where each stretch of one line begins, in bytes from the first instruction, and its line (0: none); the last begins
where the code ends, and has none."""

RunsDecoder = Callable[[bytes, int], Runs]
"""(table, first line) -> runs; raises CorruptTarget."""


class Entry(NamedTuple):
    """One entry of a location table; ``start`` and ``end`` in bytes from the first instruction, ``end`` exclusive.

    Columns count from 0, in bytes of UTF-8. None stands for what the compiler left out.
    """

    start: int
    end: int
    line: int | None
    end_line: int | None
    column: int | None
    end_column: int | None


def line_at(linetable: bytes, first_line: int, instruction_offset: int) -> int:
    """Return the line of the instruction at this offset, as :meth:`LineTable.line_at` does."""
    return LineTable(linetable, first_line).line_at(instruction_offset)


def positions_at(linetable: bytes, first_line: int, instruction_offset: int) -> Entry | None:
    """Return the entry that covers the instruction at this offset; None where none does. Raises CorruptTarget."""
    if instruction_offset < 0:
        return None
    return next((entry for entry in decode(linetable, first_line) if instruction_offset < entry.end), None)


class LineTable:
    """The lines of one code object; the table is decoded when it is first asked."""

    __slots__ = ("_decode", "_first_line", "_runs", "_table")

    def __init__(self, table: bytes, first_line: int, line_format: LineFormat = LineFormat.LOCATIONS) -> None:
        self._table = table
        self._first_line = first_line
        self._decode = DECODERS[line_format]
        self._runs: Runs | None = None

    def line_at(self, instruction_offset: int) -> int:
        """Return the line of the instruction at this offset, in bytes from the first one; 0 where it has none.

        Before the first instruction it is the code object's first line (``PyCode_Addr2Line`` says the same); behind
        the last there is none. Raises CorruptTarget.
        """
        if instruction_offset < 0:
            return max(self._first_line, 0)
        if self._runs is None:
            self._runs = self._decode(self._table, self._first_line)
        starts, lines = self._runs
        return lines[bisect_right(starts, instruction_offset) - 1]

    def end(self) -> int:
        """Return the offset behind the last instruction, as far as the table tells (3.10+). Raises CorruptTarget."""
        if self._runs is None:
            self._runs = self._decode(self._table, self._first_line)
        return self._runs[0][-1]

    def positions_at(self, instruction_offset: int) -> Entry | None:
        """Return the entry, with columns, that covers the instruction (3.11+); None for none. Raises CorruptTarget.

        Not kept: columns are for a look, not for samples.
        """
        if self._decode is not location_table_runs:
            return None
        return positions_at(self._table, self._first_line, instruction_offset)


def location_table_runs(table: bytes, first_line: int) -> Runs:
    """Decode the lines of a location table (3.11+), and no columns. Raises CorruptTarget.

    Hot when a target is first seen: half the time of :func:`decode`, which says the same (a property test).
    """
    starts: list[int] = []
    lines: list[int] = []
    line = first_line
    last: int | None = None
    offset = position = 0
    size = len(table)
    while position < size:
        first = table[position]
        if not first & 0x80:
            raise CorruptTarget("a line table's entry does not begin where it should")
        form = first >> 3 & 15
        shown = 0
        if form < _NO_COLUMNS:
            if form < _ONE_LINE:
                position += 2
            else:
                line += form - _ONE_LINE
                position += 3
            if position > size or (table[position - 1] | (table[position - 2] if form >= _ONE_LINE else 0)) & 0x80:
                raise CorruptTarget("a line table's entry is cut short")
            shown = line
        elif form == _NONE:
            position += 1
        else:
            delta, position = _signed_varint(table, position + 1)
            line += delta
            for _ in range(3 if form == _LONG else 0):
                position = _varint(table, position)[1]
            shown = line
        if not -_MAX_NUMBER < line < _MAX_NUMBER:
            raise CorruptTarget("a line table's lines are out of range")
        if shown != last:
            starts.append(offset)
            lines.append(max(shown, 0))
            last = shown
        offset += ((first & 7) + 1) * CODE_UNIT
    starts.append(offset)
    lines.append(0)
    return starts, lines


def lnotab_runs(table: bytes, first_line: int) -> Runs:
    """Decode an lnotab (3.6 to 3.9): lines may go back. Raises CorruptTarget."""
    return _lnotab_runs(table, first_line, _SIGN_BIT)


def unsigned_lnotab_runs(table: bytes, first_line: int) -> Runs:
    """Decode an lnotab of 2.7: lines only go forward. Raises CorruptTarget."""
    return _lnotab_runs(table, first_line, 0)


def _lnotab_runs(table: bytes, first_line: int, sign_bit: int) -> Runs:
    """Decode an lnotab as ``PyCode_Addr2Line`` does: a pair applies from the address behind its first byte."""
    starts, lines = [0], [first_line]
    offset, line = 0, first_line
    for position in range(1, len(table), 2):
        offset += table[position - 1]
        delta = table[position]
        if delta:
            line += delta - 2 * (delta & sign_bit)
            if offset == starts[-1]:
                lines[-1] = line
            else:
                starts.append(offset)
                lines.append(line)
    if not all(-_MAX_NUMBER < line < _MAX_NUMBER for line in lines):
        raise CorruptTarget("a line table's lines are out of range")
    starts.append(_NO_END)
    lines.append(0)
    return starts, [max(line, 0) for line in lines]


def line_pairs_runs(table: bytes, first_line: int) -> Runs:
    """Decode the table of 3.10. Raises CorruptTarget."""
    if len(table) % 2:
        raise CorruptTarget("a line table's entry is cut short")
    starts: list[int] = []
    lines: list[int] = []
    offset, line = 0, first_line
    last: int | None = None
    for position in range(0, len(table), 2):
        length, delta = table[position], table[position + 1]
        shown = 0
        if delta != _NO_LINE:
            line += delta - 2 * (delta & _SIGN_BIT)
            if not -_MAX_NUMBER < line < _MAX_NUMBER:
                raise CorruptTarget("a line table's lines are out of range")
            shown = max(line, 0)
        if length and shown != last:
            starts.append(offset)
            lines.append(shown)
            last = shown
        # Also where there is no line.
        offset += length
    starts.append(offset)
    lines.append(0)
    return starts, lines


DECODERS: Final[Mapping[LineFormat, RunsDecoder]] = {
    LineFormat.UNSIGNED_LNOTAB: unsigned_lnotab_runs,
    LineFormat.LNOTAB: lnotab_runs,
    LineFormat.PAIRS: line_pairs_runs,
    LineFormat.LOCATIONS: location_table_runs,
}


def decode(linetable: bytes, first_line: int) -> Iterator[Entry]:
    """Yield the entries of a location table (3.11+) in order. Raises CorruptTarget where the bytes are none."""
    line = first_line
    offset = position = 0
    while position < len(linetable):
        first = linetable[position]
        if not first & 0x80:
            raise CorruptTarget("a line table's entry does not begin where it should")
        form = first >> 3 & 15
        delta, end_delta, column, end_column, position = _location(linetable, position + 1, form)
        line += delta
        if not -_MAX_NUMBER < line < _MAX_NUMBER:
            raise CorruptTarget("a line table's lines are out of range")
        end = offset + ((first & 7) + 1) * CODE_UNIT
        if form == _NONE:
            yield Entry(offset, end, None, None, None, None)
        else:
            yield Entry(offset, end, line, line + end_delta, column, end_column)
        offset = end


def _location(table: bytes, position: int, form: int) -> tuple[int, int, int | None, int | None, int]:
    """Return line delta, end line delta, both columns, and the position behind the entry."""
    if form == _NONE:
        return 0, 0, None, None, position
    if form < _ONE_LINE:
        low = _byte(table, position)
        column = form * 8 + (low >> 4)
        return 0, 0, column, column + (low & 15), position + 1
    if form < _NO_COLUMNS:
        return form - _ONE_LINE, 0, _byte(table, position), _byte(table, position + 1), position + 2
    delta, position = _signed_varint(table, position)
    if form == _NO_COLUMNS:
        return delta, 0, None, None, position
    end_delta, position = _varint(table, position)
    column_plus_one, position = _varint(table, position)
    end_column_plus_one, position = _varint(table, position)
    columns = (number - 1 if number else None for number in (column_plus_one, end_column_plus_one))
    return delta, end_delta, next(columns), next(columns), position


def _byte(table: bytes, position: int) -> int:
    if position >= len(table) or table[position] & 0x80:
        raise CorruptTarget("a line table's entry is cut short")
    return table[position]


def _varint(table: bytes, position: int) -> tuple[int, int]:
    """Return the number at ``position``, six bits a byte, lowest first, and the position behind it."""
    value = 0
    for shift in range(0, _MAX_VARINT_BITS, 6):
        byte = _byte(table, position)
        position += 1
        value |= (byte & 0x3F) << shift
        if not byte & 0x40:
            return value, position
    raise CorruptTarget("a number in a line table has no end")


def _signed_varint(table: bytes, position: int) -> tuple[int, int]:
    value, position = _varint(table, position)
    return (-(value >> 1) if value & 1 else value >> 1), position
