from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from nbspy.target.binaries import inspect_elf

from .elf_file import elf_file

SECTIONS, SYMBOLS = (".PyRuntime",), ("_PyRuntime", "Py_Version")
WHOLE = elf_file(load_address=0x400123, sections={".text": 1, ".PyRuntime": 0x9000}, symbols={"Py_Version": 0x5000})


def test_section_is_found_with_the_page_of_the_first_segment() -> None:
    facts = inspect_elf(io.BytesIO(WHOLE), SECTIONS, SYMBOLS)

    assert facts is not None
    assert (facts.first_load_address, facts.sections, facts.symbols) == (0x400000, {".PyRuntime": 0x9000}, {})


def test_symbols_are_searched_for_where_there_is_no_such_section() -> None:
    file = elf_file(symbols={"main": 0x1000, "_PyRuntime": 0x6000, "Py_Version": 0x5000})

    facts = inspect_elf(io.BytesIO(file), SECTIONS, SYMBOLS)

    assert facts is not None
    assert (facts.sections, facts.symbols) == ({}, {"_PyRuntime": 0x6000, "Py_Version": 0x5000})


def test_file_without_them_has_none() -> None:
    facts = inspect_elf(io.BytesIO(elf_file(sections={".text": 1}, symbols={"main": 2})), SECTIONS, SYMBOLS)

    assert facts is not None
    assert (facts.sections, facts.symbols) == ({}, {})


@given(st.binary(max_size=200))
def test_any_other_file_is_nothing(data: bytes) -> None:
    assert inspect_elf(io.BytesIO(data), SECTIONS, SYMBOLS) is None


@given(st.integers(0, len(WHOLE)), st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8))
def test_damaged_file_never_raises(length: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for position, value in changes:
        data[position] = value

    facts = inspect_elf(io.BytesIO(bytes(data[:length])), SECTIONS, SYMBOLS)

    assert facts is None or facts.first_load_address % 4096 == 0
