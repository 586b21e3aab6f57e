from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.target import mach_o
from nbspy.target.binaries import inspect_binary

from .mach_o_file import ARM64, X86_64, fat_file, mach_o_file

SECTIONS, SYMBOLS = (".PyRuntime", "PyRuntime", "PyRuntim"), ("_PyRuntime", "Py_Version")
WHOLE = mach_o_file(
    sections={("__TEXT", "__text"): 0x100001000, ("__DATA", "PyRuntime"): 0x100008000},
    symbols={"Py_Version": 0x100005000, "_PyRuntime": 0x100008000, "x_PyRuntime": 7},
)


def test_section_and_symbols_are_found_with_the_start_of_the_text() -> None:
    facts = inspect_binary(io.BytesIO(WHOLE), SECTIONS, SYMBOLS)
    assert facts is not None
    assert facts.first_load_address == 0x100000000
    assert facts.sections == {"PyRuntime": 0x100008000}
    assert facts.symbols == {"Py_Version": 0x100005000, "_PyRuntime": 0x100008000}


def test_symbol_that_is_only_asked_for_is_none() -> None:
    facts = inspect_binary(io.BytesIO(mach_o_file(undefined=["_PyRuntime"])), SECTIONS, SYMBOLS)
    assert facts is not None
    assert (facts.sections, facts.symbols) == ({}, {})


@pytest.mark.parametrize("cpu", [ARM64, X86_64])
def test_of_a_fat_file_the_part_of_that_machine_is_read(cpu: int) -> None:
    parts = {
        each: mach_o_file(cpu=each, sections={("__DATA", "PyRuntime"): 0x100000000 + each}) for each in (X86_64, ARM64)
    }
    file = mach_o.slice_for(io.BytesIO(fat_file(parts)), cpu)
    facts = inspect_binary(file, SECTIONS, SYMBOLS)
    assert facts is not None
    assert facts.sections == {"PyRuntime": 0x100000000 + cpu}
    assert mach_o.cpu_type_of(parts[cpu][:8]) == cpu
    file.seek(0)
    assert file.read() == parts[cpu]


def test_file_that_is_not_fat_or_has_no_such_part_is_taken_as_it_is() -> None:
    for data in (WHOLE, b"", b"\xca\xfe", fat_file({X86_64: WHOLE})):
        file = io.BytesIO(data)
        assert mach_o.slice_for(file, ARM64) is file


def test_image_in_memory_that_is_no_mach_o_has_no_machine() -> None:
    assert mach_o.cpu_type_of(b"\x7fELF\x02\x01\x01\0") == 0


@given(st.binary(max_size=200))
def test_any_other_file_is_nothing(data: bytes) -> None:
    assert mach_o.inspect(io.BytesIO(data), SECTIONS, SYMBOLS) is None


@given(st.integers(0, len(WHOLE)), st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8))
def test_damaged_file_never_raises(length: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for position, value in changes:
        data[position] = value
    facts = mach_o.inspect(io.BytesIO(bytes(data[:length])), SECTIONS, SYMBOLS)
    assert facts is None or set(facts.sections) <= set(SECTIONS)


@given(st.binary(max_size=120), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_damaged_fat_file_never_raises(tail: bytes, offset: int, size: int) -> None:
    data = fat_file({ARM64: b""})[:16] + offset.to_bytes(4, "big") + size.to_bytes(4, "big") + tail
    file = mach_o.slice_for(io.BytesIO(data), ARM64)
    assert mach_o.inspect(file, SECTIONS, SYMBOLS) is None
