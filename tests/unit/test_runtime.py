from __future__ import annotations

import io
from typing import BinaryIO

import pytest

from nbspy.cpython.runtime import locate
from nbspy.errors import CorruptTarget, NotPython, UnsupportedPython
from nbspy.target.process import Mapping

from .elf_file import elf_file
from .fake_python import LAYOUTS, FakePython, FakeTarget
from .layouts import debug_offset_words, runtime_bytes

BASE = 0x5555_0000_0000
RUNTIME_AT = 0x3000
VERSION_AT = 0x2000


class FileTarget(FakeTarget):
    """A target of mapped files; ``images`` are their bytes in memory, ``files`` what lies on disk."""

    def __init__(self) -> None:
        super().__init__(FakePython(LAYOUTS["3.12"]))
        self.maps: list[Mapping] = []
        self.files: dict[str, bytes] = {}
        self.opened: list[str] = []

    def add(
        self, path: str, file: bytes | None, image: dict[int, bytes], *, executable: bool = True, at: int = 0
    ) -> int:
        """Map a file of five pages, all of it readable, writable and executable."""
        start = BASE + at * 0x10_0000
        data = bytearray(0x5000)
        for offset, part in image.items():
            data[offset : offset + len(part)] = part
        self.python.memory.add(start, bytes(data))
        self.maps.append(Mapping(start, start + 0x5000, 0, True, True, executable, path, False))
        if file is not None:
            self.files[path] = file
        return start

    def mappings(self) -> list[Mapping]:
        return self.maps

    def open_binary(self, mapping: Mapping) -> BinaryIO:
        self.opened.append(mapping.path)
        if mapping.path not in self.files:
            raise FileNotFoundError(mapping.path)
        return io.BytesIO(self.files[mapping.path])


def self_described(release: str, *, begun: bool = True) -> bytes:
    """The bytes at ``_PyRuntime`` of 3.13+."""
    data = bytearray(runtime_bytes(debug_offset_words()[release])) + bytes(0x400)
    head = LAYOUTS[release].runtime.interpreters_head
    data[head : head + 8] = (0x1234_0000 if begun else 0).to_bytes(8, "little")
    return bytes(data)


def older(*, begun: bool = True) -> bytes:
    data = bytearray(0x400)
    data[40:48] = (0x1234_0000 if begun else 0).to_bytes(8, "little")
    return bytes(data)


def version_hex(major: int, minor: int, micro: int) -> bytes:
    return ((major << 24) | (minor << 16) | (micro << 8) | 0xF0).to_bytes(8, "little")


WITH_SECTION = elf_file(sections={".PyRuntime": RUNTIME_AT})
WITH_SYMBOLS = elf_file(symbols={"_PyRuntime": RUNTIME_AT, "Py_Version": VERSION_AT})


@pytest.mark.parametrize("release", debug_offset_words())
def test_runtime_that_describes_itself_is_found_by_its_section(release: str) -> None:
    target = FileTarget()
    start = target.add("/usr/bin/python3", WITH_SECTION, {RUNTIME_AT: self_described(release)})

    found = locate(target)

    assert (found.address, found.version_text, found.warning) == (start + RUNTIME_AT, release, None)
    assert found.layout == LAYOUTS[release]


@pytest.mark.parametrize(("version", "name"), [((3, 11, 7), "3.11"), ((3, 12, 1), "3.12")])
def test_older_runtime_is_found_by_its_symbol_and_asked_for_its_version(
    version: tuple[int, int, int], name: str
) -> None:
    target = FileTarget()
    start = target.add("/opt/app/server", WITH_SYMBOLS, {RUNTIME_AT: older(), VERSION_AT: version_hex(*version)})

    found = locate(target)

    assert (found.address, found.version, found.layout) == (start + RUNTIME_AT, version, LAYOUTS[name])


def test_version_that_no_symbol_tells_is_found_as_text_in_the_mapping() -> None:
    target = FileTarget()
    text = b"\0" + b"3.12.4 (main, Jun  6 2024, 18:26:44) [GCC 11.4.0]\0"
    target.add("/usr/bin/python3.11", elf_file(sections={".PyRuntime": RUNTIME_AT}), {RUNTIME_AT: older(), 0x800: text})

    assert locate(target).version == (3, 12, 4)


def test_address_takes_account_of_where_the_file_is_linked() -> None:
    target = FileTarget()
    file = elf_file(load_address=0x40_0000, sections={".PyRuntime": 0x40_0000 + RUNTIME_AT})
    start = target.add("/usr/bin/python3", file, {RUNTIME_AT: self_described("3.14.10")})

    assert locate(target).address == start + RUNTIME_AT


def test_library_is_preferred_to_the_program_and_nothing_else_is_opened() -> None:
    target = FileTarget()
    target.add("/usr/bin/python3", WITH_SECTION, {RUNTIME_AT: self_described("3.13.0")})
    target.add("/lib/libc.so.6", elf_file(), {}, at=1)
    start = target.add("/lib/libpython3.14.so.1.0", WITH_SECTION, {RUNTIME_AT: self_described("3.14.10")}, at=2)

    assert locate(target).address == start + RUNTIME_AT
    assert target.opened == ["/lib/libpython3.14.so.1.0"]


def test_library_that_is_only_loaded_is_not_taken_for_the_python_that_runs() -> None:
    target = FileTarget()
    start = target.add("/usr/bin/python3", WITH_SECTION, {RUNTIME_AT: self_described("3.13.0")})
    target.add("/lib/libpython3.14.so", WITH_SECTION, {RUNTIME_AT: self_described("3.14.10", begun=False)}, at=1)

    assert locate(target).address == start + RUNTIME_AT


def test_python_that_is_still_starting_is_found() -> None:
    target = FileTarget()
    start = target.add("/usr/bin/python3", WITH_SECTION, {RUNTIME_AT: self_described("3.13.0", begun=False)})
    target.add("/lib/libc.so.6", elf_file(), {}, at=1)

    assert locate(target).address == start + RUNTIME_AT


def test_python_that_is_too_old_is_named() -> None:
    target = FileTarget()
    target.add("/usr/bin/python3.8", WITH_SYMBOLS, {RUNTIME_AT: older(), VERSION_AT: version_hex(3, 2, 18)})

    with pytest.raises(UnsupportedPython, match=r"3\.2\.18"):
        locate(target)


def test_program_without_a_runtime_is_not_python() -> None:
    target = FileTarget()
    target.add("/bin/sleep", elf_file(sections={".text": 1}), {})
    target.maps.append(Mapping(1, 2, 0, True, False, False, "[heap]", False))

    with pytest.raises(NotPython, match="1001 is not a Python process"):
        locate(target)


def test_runtime_of_a_file_that_is_gone_is_found_by_its_cookie() -> None:
    target = FileTarget()
    fake, real = 0x1000, 0x2008
    start = target.add("/gone/python3", None, {fake: b"xdebugpy" + b"\xff" * 900, real: self_described("3.15.2")})

    assert locate(target).address == start + real


def test_version_that_should_describe_itself_and_does_not_is_said_to_be_damaged() -> None:
    target = FileTarget()
    target.add("/usr/bin/python3", WITH_SYMBOLS, {RUNTIME_AT: older(), VERSION_AT: version_hex(3, 13, 1)})

    with pytest.raises(CorruptTarget, match=r"3\.13\.1"):
        locate(target)


def test_file_that_was_replaced_by_another_build_leads_nowhere_and_is_passed_over() -> None:
    target = FileTarget()
    beyond = elf_file(sections={".PyRuntime": 0x9_9000})
    target.add("/usr/bin/python3", beyond, {RUNTIME_AT: self_described("3.13.0")})

    assert locate(target).address == BASE + RUNTIME_AT
