from __future__ import annotations

import io
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.target.binaries import _inspect_any_elf, inspect_elf
from nbspy.target.elf_lookup import NotOrdinary, OrdinaryElf

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


def _mapped_files() -> list[str]:
    """The executable and the libraries of this process: what linkers really make."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if line.count("/") and "r-xp" in line}
    return sorted(path for path in paths if path.startswith("/"))


@pytest.mark.skipif(sys.platform != "linux", reason="needs files that a linker of Linux made")
def test_ordinary_files_are_understood_as_pyelftools_does() -> None:
    symbols = ("_PyRuntime", "Py_Version", "malloc", "environ", "no_such_symbol", "ELF")
    seen: set[str] = set()
    for path in _mapped_files():
        with open(path, "rb") as file:
            elf = OrdinaryElf(file)
            plain = _inspect_any_elf(file, SECTIONS, symbols)
            found = {name: value for name in symbols if (value := elf.symbol(name)) is not None}
            assert plain is not None
            assert plain.first_load_address == min(elf.loads) & -4096
            assert plain.sections == {name: at for name in SECTIONS if (at := elf.section(name)) is not None}
            if plain.sections or found:
                assert found == plain.symbols
                seen |= found.keys() | plain.sections.keys()
    assert "malloc" in seen


def test_damaged_ordinary_file_is_not_understood_or_understood_alike() -> None:
    with open(sys.executable, "rb") as file:
        whole = file.read()
    choices = random.Random(4)
    for _ in range(300):
        data = bytearray(whole[:4096])
        for _ in range(choices.randrange(1, 6)):
            data[choices.randrange(64)] = choices.randrange(256)
        file = io.BytesIO(bytes(data) + whole[4096 : choices.randrange(4096, len(whole))])
        try:
            elf = OrdinaryElf(file)
            values = [elf.section(".text"), elf.symbol("malloc")]
        except NotOrdinary:
            continue
        assert all(value is None or 0 <= value < 1 << 64 for value in values)
