from __future__ import annotations

import hashlib
import json
import os

from nbspy.cpython.layout import LineFormat
from nbspy.cpython.layout_tables import TABLES
from nbspy.cpython.line_table import LineTable, decode

from .interpreters import TARGETS, Interpreter

LEAST_CODE_OBJECTS = 3000
"""A standard library that is there at all has more: the test must not pass for want of files."""
STEP = 1 if os.environ.get("NBSPY_THOROUGH") else 5
"""One module of so many is looked at, others with each version, all with NBSPY_THOROUGH=1: they take a minute each."""


def digest(values: list[object]) -> str:
    return hashlib.sha1(repr(values).encode()).hexdigest()


def test_decode_over_the_standard_library_says_of_every_instruction_what_python_says(interpreter: Interpreter) -> None:
    script = (TARGETS / "dump_line_tables.py").read_text()
    output = interpreter.run(script, str(STEP), str(interpreter.version[1] % STEP), timeout_s=100)
    row = TABLES.get(interpreter.version[:2])
    line_format = LineFormat.LOCATIONS if row is None else row.code.line_format
    unit = 1 if interpreter.version < (3, 6) else 2

    compared = 0
    for text in output.splitlines():
        path, rows = json.loads(text)
        for name, first_line, table_hex, size, lines_digest, positions_digest in rows:
            table = bytes.fromhex(table_hex)
            reader = LineTable(table, first_line, line_format)
            lines: list[object] = [reader.line_at(offset) for offset in range(0, size, unit)]
            assert digest(lines) == lines_digest, f"{path}: {name}"
            if positions_digest is not None:
                compare_positions(table, first_line, positions_digest)
            compared += 1
    assert compared > LEAST_CODE_OBJECTS // STEP


def compare_positions(table: bytes, first_line: int, expected: str) -> None:
    positions: list[object] = [
        (item.line, item.end_line, item.column, item.end_column)
        for item in decode(table, first_line)
        for _ in range(item.start, item.end, 2)
    ]
    assert digest(positions) == expected
