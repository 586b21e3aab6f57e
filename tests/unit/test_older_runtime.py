"""2.7 and 3.6, which have no ``_PyRuntime``; and the versions between them, which are not read."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.cpython.gil import GilWords
from nbspy.cpython.older_runtime import find_statics, layout_of_build
from nbspy.cpython.runtime import Runtime, locate
from nbspy.cpython.thread_state import read_interpreters
from nbspy.errors import UnsupportedPython
from nbspy.target.process import Mapping

from .elf_file import elf_file
from .fake_memory import FakeMemory
from .layouts import older_layouts
from .test_runtime import FileTarget

LAYOUTS = older_layouts()
HEAD_AT, CURRENT_AT, FUNCTION_AT = 0x3000, 0x3010, 0x1100
SYMBOLS = {"interp_head": HEAD_AT, "_PyThreadState_Current": CURRENT_AT}
VERSION_TEXT = b"\0%s (default, May  9 2026, 10:00:00) \n[GCC 12.2.0]\0"


def returns(variable: int, function: int = FUNCTION_AT, *, before: bytes = b"", behind: bytes = b"\xc3") -> bytes:
    """x86-64: a function that returns a variable."""
    load = before + b"\x48\x8b\x05"
    return load + struct.pack("<i", variable - (function + len(load) + 4)) + behind


def target_of(version: str, symbols: dict[str, int], *, image: dict[int, bytes] | None = None) -> FileTarget:
    """A process in which an interpreter has begun; its version text is in zeroed memory behind the file's."""
    target = FileTarget()
    begun = {HEAD_AT: struct.pack("<Q", 0x1234_0000)}
    start = target.add("/opt/app/python", elf_file(symbols=symbols), begun | (image or {}))
    text = VERSION_TEXT % version.encode()
    target.python.memory.add(start + 0x5000, text.ljust(0x1000, b"\0"))
    target.maps.append(Mapping(start + 0x5000, start + 0x6000, 0, True, True, False, "", False))
    return target


def start_of(target: FileTarget) -> int:
    return target.maps[0].start


@pytest.mark.parametrize(("version", "name"), [("2.7.18", "2.7"), ("3.6.15+", "3.6")])
def test_variables_are_found_by_name_and_the_version_in_the_memory_behind_the_file(version: str, name: str) -> None:
    target = target_of(version, SYMBOLS | {"gil_cond": 0x3100, "interpreter_lock": 0x3200})

    found = locate(target)

    assert found.layout == LAYOUTS[name]
    assert found.version_text == version.rstrip("+")
    assert (found.address, found.current_thread_state) == (start_of(target) + HEAD_AT, start_of(target) + CURRENT_AT)
    assert found.statics is not None
    assert found.statics.locks == ((start_of(target) + 0x3100, start_of(target) + 0x3130),)
    assert found.statics.lock_pointer == start_of(target) + 0x3200


@pytest.mark.parametrize("before", [b"", b"\xf3\x0f\x1e\xfa", b"\xf3\x0f\x1e\xfa\x55\x48\x89\xe5"])
def test_list_of_interpreters_without_a_name_is_where_its_function_looks(before: bytes) -> None:
    behind = b"\x5d\xc3" if b"\x55" in before else b"\xc3"
    image = {FUNCTION_AT: returns(HEAD_AT, before=before, behind=behind)}
    symbols = {"_PyThreadState_Current": CURRENT_AT, "PyInterpreterState_Head": FUNCTION_AT}
    target = target_of("2.7.5", symbols, image=image)

    found = locate(target)

    assert found.address == start_of(target) + HEAD_AT
    assert found.statics is not None
    assert (found.statics.locks, found.statics.lock_pointer) == ((), None)


@given(st.binary(min_size=24, max_size=24))
def test_function_that_does_anything_else_tells_nothing(code: bytes) -> None:
    memory = FakeMemory({0x1000: code})
    if b"\x48\x8b\x05" not in code[:11]:
        assert find_statics(memory, {"_PyThreadState_Current": 1, "PyInterpreterState_Head": 0x1000}) is None


def test_build_without_what_is_needed_is_unsupported_by_version() -> None:
    with pytest.raises(UnsupportedPython) as refused:
        locate(target_of("3.6.9", {"_PyThreadState_Current": CURRENT_AT}))

    assert "3.6.9" in refused.value.message


@pytest.mark.parametrize("version", ["3.0.1", "3.2.6", "3.5.10", "2.6.9"])
def test_versions_in_between_and_before_are_refused_by_name(version: str) -> None:
    with pytest.raises(UnsupportedPython) as refused:
        locate(target_of(version, SYMBOLS))
    assert refused.value.message.endswith(f"runs Python {version}")
    assert refused.value.help == "nbspy reads CPython 2.7, and 3.6 and newer"


@pytest.mark.parametrize("version", ["3.7.16", "3.8.18", "3.9.18", "3.10.13"])
def test_versions_with_a_runtime_are_found_by_its_symbol(version: str) -> None:
    target = target_of(version, {"_PyRuntime": HEAD_AT - 64})

    found = locate(target)

    assert found.layout == LAYOUTS[version.rpartition(".")[0]]
    assert found.statics is None
    offset = found.layout.runtime.current_thread_state
    assert offset is not None
    assert found.current_thread_state == start_of(target) + HEAD_AT - 64 + offset


def test_version_with_a_distributors_name_in_it_is_read() -> None:
    target = target_of("3.6.13 | packaged by conda-forge |", SYMBOLS)

    assert locate(target).version == (3, 6, 13)


def test_version_is_looked_for_where_python_itself_has_made_its_text_and_no_further() -> None:
    """All that a library has in memory is some MiB, which would be read and searched at each attach."""
    target = target_of("3.8.18", {"_PyRuntime": HEAD_AT - 64})
    read: list[int] = []
    plain = target.memory.read

    def reading(address: int, size: int) -> bytes:
        read.append(address)
        return plain(address, size)

    target.memory.read = reading  # type: ignore[method-assign]
    assert locate(target).version == (3, 8, 18)
    readable = [mapping for mapping in target.mappings() if mapping.readable]
    assert len(readable) > 1
    assert {mapping.start for mapping in readable} & set(read) == {
        mapping.start for mapping in readable if not mapping.is_of_file
    }


def test_version_that_the_librarys_name_agrees_with_is_preferred_to_other_texts() -> None:
    target = FileTarget()
    image = {0x400: VERSION_TEXT % b"3.40.1", 0x500: VERSION_TEXT % b"2.7.3", HEAD_AT: b"\1" * 8}
    target.add("/usr/lib/libpython2.7.so.1.0", elf_file(symbols=SYMBOLS), image)

    assert locate(target).version == (2, 7, 3)


def test_build_of_27_with_narrow_text_is_told_by_its_symbols() -> None:
    narrow = layout_of_build(LAYOUTS["2.7"], {"PyUnicodeUCS2_AsUTF8String": 1})

    assert narrow.objects.unicode_char_size == 2
    assert layout_of_build(LAYOUTS["2.7"], {}).objects.unicode_char_size == 4
    assert layout_of_build(LAYOUTS["3.6"], {"PyUnicodeUCS2_AsUTF8String": 1}) == LAYOUTS["3.6"]


class Threads:
    """An interpreter with two thread states, and the variables that 2.7 and 3.6 have about it."""

    def __init__(self, name: str, symbols: dict[str, int]) -> None:
        layout = LAYOUTS[name]
        self.first, self.second = 0x2000, 0x2400
        self.memory = FakeMemory({0x1000: bytes(0x1000), 0x2000: bytes(0x800), 0x3000: bytes(0x1000)})
        self.write(HEAD_AT, 0x1000)
        self.write(0x1000 + layout.interpreter.threads_head, self.second)
        self.write(0x1000 + layout.interpreter.imports_modules, 0x7000)
        for thread, below, handle in ((self.second, self.first, 0xF2), (self.first, 0, 0xF1)):
            self.write(thread + layout.thread_state.next, below)
            self.write(thread + layout.thread_state.interp, 0x1000)
            self.write(thread + layout.thread_state.thread_id, handle)
        statics = find_statics(self.memory, symbols)
        assert statics is not None
        self.runtime = Runtime(statics.interpreters_head, (*layout.version, 0), layout, statics=statics)

    def write(self, address: int, word: int) -> None:
        self.memory.write(address, struct.pack("<Q", word))

    def gil(self) -> GilWords:
        return GilWords(self.runtime, read_interpreters(self.memory, self.runtime))

    def holders(self, gil: GilWords) -> tuple[int, ...]:
        return gil.holders(b"".join(self.memory.read_many(gil.ranges)))


@pytest.mark.parametrize("name", ["2.7", "3.6"])
def test_interpreters_are_numbered_and_threads_have_no_system_id(name: str) -> None:
    [interpreter] = read_interpreters((python := Threads(name, SYMBOLS)).memory, python.runtime)

    assert (interpreter.id, interpreter.gil, interpreter.modules) == (0, None, 0x7000)
    assert [(thread.address, thread.thread_id) for thread in interpreter.threads] == [(0x2000, 0xF1), (0x2400, 0xF2)]
    assert {thread.native_thread_id for thread in interpreter.threads} == {0}


@pytest.mark.parametrize("name", ["2.7", "3.6"])
def test_current_thread_state_holds_the_gil(name: str) -> None:
    python = Threads(name, SYMBOLS | {"interpreter_lock": 0x3200})
    gil = python.gil()

    seen = [python.holders(gil)]
    for current in (python.second, 0, python.first):
        python.write(CURRENT_AT, current)
        seen.append(python.holders(gil))

    assert seen == [(), (python.second,), (), (python.first,)]


def test_lock_of_27_is_what_its_pointer_says_at_the_time() -> None:
    python = Threads("2.7", SYMBOLS | {"interpreter_lock": 0x3200})
    gil = python.gil()

    python.holders(gil)
    assert not gil.is_waited_for(0)
    assert not gil.is_waited_for(0x9000)
    python.write(0x3200, 0x9000)
    python.holders(gil)
    assert [gil.is_waited_for(lock) for lock in (0x9000, 0x901F, 0x9020, 0x8FFF, 0)] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_locks_of_36_are_its_condition_variables_and_mutexes() -> None:
    gil = Threads("3.6", SYMBOLS | {"gil_cond": 0x3400, "switch_mutex": 0x3500}).gil()

    assert [gil.is_waited_for(lock) for lock in (0x3400, 0x342F, 0x3430, 0x3500, 0x3527, 0x3528)] == [
        True,
        True,
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("name", ["2.7", "3.6"])
def test_no_thread_is_said_to_wait_for_a_gil_whose_lock_is_not_known(name: str) -> None:
    python = Threads(name, SYMBOLS)
    gil = python.gil()
    python.holders(gil)

    assert not any(gil.is_waited_for(lock) for lock in (0, HEAD_AT, CURRENT_AT, 0x3200))


@pytest.mark.parametrize(
    ("code", "variable"),
    [
        # bti c; adrp x0, #20480; ldr x0, [x0, #2696]; ret (as llvm-mc encodes them)
        ("5f2403d5 200000b0 004445f9 c0035fd6", 0x5A88),
        ("200000b0 004445f9 c0035fd6", 0x5A88),
        # adrp x0, #-12288; ldr x0, [x0]; ret
        ("e0ffffb0 000040f9 c0035fd6", -0x3000),
        # another register, another load, no end
        ("010000b0 000040f9 c0035fd6", None),
        ("200000b0 010440f9 c0035fd6", None),
        ("200000b0 004445f9 5f2403d5", None),
    ],
)
def test_on_aarch64_the_variable_is_the_one_that_is_loaded(code: str, variable: int | None) -> None:
    """``variable`` is relative to the page of the function."""
    page = 0x40_0000
    memory = FakeMemory({page: bytes(FUNCTION_AT - 0x1000) + bytes.fromhex(code).ljust(24, b"\0")})
    function = page + FUNCTION_AT - 0x1000
    symbols = {"_PyThreadState_Current": CURRENT_AT, "PyInterpreterState_Head": function}

    found = find_statics(memory, symbols)

    if variable is None:
        assert found is None
    else:
        assert found is not None
        assert found.interpreters_head == page + variable
