from __future__ import annotations

import hashlib
import json

from nbspy.cpython.line_table import LineTable, decode

from .interpreters import TARGETS, Interpreter

LEAST_CODE_OBJECTS = 3000
"""A standard library that is there at all has more: the test must not pass for want of files."""


def digest(values: list[object]) -> str:
    return hashlib.sha1(repr(values).encode()).hexdigest()


def test_decode_over_the_standard_library_says_of_every_instruction_what_python_says(interpreter: Interpreter) -> None:
    output = interpreter.run((TARGETS / "dump_line_tables.py").read_text(), timeout_s=100)

    compared = 0
    for line in output.splitlines():
        path, rows = json.loads(line)
        for name, first_line, table_hex, positions_digest, lines_digest in rows:
            table = bytes.fromhex(table_hex)
            entries = list(decode(table, first_line))
            positions: list[object] = [
                (item.line, item.end_line, item.column, item.end_column)
                for item in entries
                for _ in range(item.start, item.end, 2)
            ]
            assert digest(positions) == positions_digest, f"{path}: {name}"
            lines: list[object] = [item.line for item in entries for _ in range(item.start, item.end, 2)]
            assert digest(lines) == lines_digest, f"{path}: {name}"
            reader = LineTable(table, first_line)
            assert [reader.line_at(2 * unit) for unit in range(len(lines))] == [line or 0 for line in lines], name
            compared += 1
    assert compared > LEAST_CODE_OBJECTS
