"""Layouts on systems other than the one they were generated on."""

from __future__ import annotations

import struct

import pytest
from msgspec.structs import replace

from nbspy.cpython import abi, layout_tables
from nbspy.cpython.gil_turns import GilTurns
from nbspy.cpython.layout import Layout
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import read_threads
from nbspy.errors import UnsupportedPython
from nbspy.target.process import Abi, Mapping

from .fake_memory import FakeMemory
from .fake_python import LAYOUTS

LINUX, MACOS, WINDOWS = Abi("Linux", 8), Abi("macOS", 8), Abi("Windows", 4)
MAIN = 0x7F00_0000_1000


@pytest.mark.parametrize(
    ("system", "version", "known"),
    [
        (LINUX, (2, 7, 18), True),
        (MACOS, (3, 10, 4), False),
        (MACOS, (3, 11, 0), True),
        (WINDOWS, (3, 12, 9), False),
        (WINDOWS, (3, 13, 0), True),
    ],
)
def test_what_is_not_known_of_a_system_is_refused(system: Abi, version: tuple[int, ...], known: bool) -> None:
    if known:
        abi.refuse_unknown(version, system)
        return
    with pytest.raises(UnsupportedPython, match=rf"on {system.system} nbspy does not read Python {version[0]}\."):
        abi.refuse_unknown(version, system)


@pytest.mark.parametrize("mutex_size", [40, 48, 64])
@pytest.mark.parametrize("version", [(3, 7), (3, 8), (3, 9), (3, 10), (3, 11)])
def test_state_of_the_gil_is_found_behind_mutexes_of_any_size(version: tuple[int, int], mutex_size: int) -> None:
    """py-spy's tables agree: 3.11 has it at 576 on x86-64 Linux, at 592 on aarch64 and at 624 on macOS."""
    layout = layout_tables.TABLES[version]
    current = layout.runtime.current_thread_state
    assert current is not None
    place = current + 2 * (mutex_size - 40)
    memory = bytearray(2048)
    struct.pack_into("<Q", memory, layout.runtime.interpreters_head + 8, MAIN)
    struct.pack_into("<Q", memory, place + (16 if version < (3, 9) else 8), MAIN)
    found = abi.with_mutex_size(layout, FakeMemory({0x1000: bytes(memory)}), 0x1000)
    assert found.runtime.current_thread_state == place


def test_runtime_that_has_not_begun_keeps_its_layout() -> None:
    layout = layout_tables.TABLES[3, 11]
    assert abi.with_mutex_size(layout, FakeMemory({0x1000: bytes(2048)}), 0x1000) is layout
    layout = layout_tables.TABLES[3, 12]
    assert abi.with_mutex_size(layout, FakeMemory({}), 0x1000) is layout


@pytest.fixture
def on_windows() -> Layout:
    return abi.adapt(LAYOUTS["3.13.0"], WINDOWS)


def test_same_longs_are_the_same_layout() -> None:
    assert abi.adapt(LAYOUTS["3.13.0"], MACOS) is LAYOUTS["3.13.0"]


def test_ids_of_threads_have_32_bits_on_windows(on_windows: Layout) -> None:
    fields = on_windows.thread_state
    assert fields.native_thread_id is not None
    data = bytearray(fields.size)
    # unsigned long thread_id; unsigned long native_thread_id: beside each other
    fields = replace(fields, native_thread_id=fields.thread_id + 4)
    struct.pack_into("<II", data, fields.thread_id, 11, 4242)
    struct.pack_into("<Q", data, fields.interp, MAIN)
    layout = replace(on_windows, thread_state=fields)
    [thread] = read_threads(FakeMemory({0x2000: bytes(data)}), layout, MAIN, 0x2000)
    assert (thread.thread_id, thread.native_thread_id) == (11, 4242)


def test_turns_of_the_gil_are_counted_where_windows_has_them(on_windows: Layout) -> None:
    """{unsigned long interval; ... *last_holder; int locked; unsigned long switch_number; PyCOND_T cond; ...}"""
    runtime = Runtime(0, (3, 13, 0), on_windows)

    class Gil:
        ranges = ((0x3000, 32),)
        size = 32

    turns = GilTurns(runtime, Gil())
    before = struct.pack("<IxxxxQiIQ", 5000, 0x2000, 1, 7, 99)
    assert turns.turn(before) == turns.turn(struct.pack("<IxxxxQiIQ", 5000, 0x2000, 0, 7, 98))
    assert turns.turn(before) != turns.turn(struct.pack("<IxxxxQiIQ", 5000, 0x2000, 1, 8, 99))
    after = struct.pack("<IxxxxQiIQ", 5000, 0x5000, 1, 8, 98)
    assert turns.moved(turns.turn(before), turns.turn(before)) == {0x2000}
    assert turns.moved(turns.turn(before), turns.turn(after)) == {0x2000, 0x5000}


@pytest.mark.parametrize(
    ("path", "of_file"),
    [
        ("/usr/bin/python3", True),
        ("C:\\Python313\\python313.dll", True),
        ("\\\\server\\share\\python.exe", True),
        ("[heap]", False),
        ("", False),
        ("anon_inode:[perf_event]", False),
    ],
)
def test_mappings_of_files_are_told_by_their_paths(path: str, of_file: bool) -> None:
    assert Mapping(0, 1, 0, True, True, False, path, False).is_of_file is of_file
