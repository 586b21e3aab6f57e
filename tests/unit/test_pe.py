from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from nbspy.target import pe
from nbspy.target.binaries import inspect_binary

from .pe_file import pe_file

SECTIONS, SYMBOLS = (".PyRuntime", "PyRuntime", "PyRuntim"), ("_PyRuntime", "Py_Version")
WHOLE = pe_file(
    sections={".text": 0x4000, "PyRuntim": 0x9000},
    exports={"PyAPI": 1, "Py_Version": 0x5000, "_PyRuntime": 0x9000, "zzz": 2},
)


def test_section_and_exports_are_found_from_where_the_image_is_loaded() -> None:
    facts = inspect_binary(io.BytesIO(WHOLE), SECTIONS, SYMBOLS)
    assert facts is not None
    assert facts.first_load_address == 0
    assert facts.sections == {"PyRuntim": 0x9000}
    assert facts.symbols == {"Py_Version": 0x5000, "_PyRuntime": 0x9000}


@given(st.sets(st.text("Pyabc_XZ", min_size=1, max_size=6), max_size=40), st.sampled_from(SYMBOLS))
def test_an_export_is_found_among_any_others(others: set[str], wanted: str) -> None:
    file = pe_file(exports={**dict.fromkeys(others, 1), wanted: 0x7000})
    facts = pe.inspect(io.BytesIO(file), SECTIONS, SYMBOLS)
    assert facts is not None
    assert facts.symbols[wanted] == 0x7000


def test_export_that_stands_for_one_of_another_library_is_none() -> None:
    """python3.dll has Py_Version so: it lies in python313.dll."""
    facts = pe.inspect(io.BytesIO(pe_file(forwards={"Py_Version": "python313.Py_Version"})), SECTIONS, SYMBOLS)
    assert facts is not None
    assert facts.symbols == {}


def test_program_without_exports_has_none() -> None:
    facts = pe.inspect(io.BytesIO(pe_file(sections={".text": 0x4000})), SECTIONS, SYMBOLS)
    assert facts is not None
    assert (facts.sections, facts.symbols) == ({}, {})


def test_32_bit_program_is_nothing() -> None:
    assert pe.inspect(io.BytesIO(pe_file(magic=0x10B)), SECTIONS, SYMBOLS) is None


@given(st.binary(max_size=200))
def test_any_other_file_is_nothing(data: bytes) -> None:
    assert pe.inspect(io.BytesIO(data), SECTIONS, SYMBOLS) is None


@given(st.integers(0, len(WHOLE)), st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8))
def test_damaged_file_never_raises(length: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for position, value in changes:
        data[position] = value
    facts = pe.inspect(io.BytesIO(bytes(data[:length])), SECTIONS, SYMBOLS)
    assert facts is None or set(facts.symbols) <= set(SYMBOLS)
