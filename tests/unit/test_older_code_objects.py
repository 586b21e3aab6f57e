"""Code objects of 2.7 to 3.10: their names (in 2.7 bytes) and their lines, by the index of an instruction."""

from __future__ import annotations

import os
import struct

import pytest

from nbspy.cpython.code_object import CodeCache
from nbspy.cpython.interner import FrameKey, Interner
from nbspy.cpython.layout import Layout, LineFormat

from .fake_memory import FakeMemory
from .layouts import older_layouts

LAYOUTS = older_layouts()
every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
CODE = 0x1000
TABLE = bytes([2, 1, 4, 3])
"""An lnotab: from byte 2 on the next line, from byte 6 on three lines further. As pairs of 3.10: the same shifted."""


class Module:
    """A memory with one code object in it; strings are mapped as long as they are, and no further."""

    def __init__(
        self, layout: Layout, *, name: str = "work", file: bytes = b"/src/app.py", table: bytes = TABLE
    ) -> None:
        self.layout = layout
        self.memory = FakeMemory({CODE: bytes(layout.code.size)})
        self._next = 0x10_0000
        fields = layout.code
        self.write(fields.name, self.text(name.encode()))
        self.write(fields.filename, self.text(file))
        self.write(fields.linetable, self.byte_string(table))
        self.memory.write(CODE + fields.firstlineno, struct.pack("<i", 10))

    def write(self, offset: int, word: int) -> None:
        self.memory.write(CODE + offset, struct.pack("<Q", word))

    def byte_string(self, data: bytes) -> int:
        fields = self.layout.objects
        header = bytearray(fields.bytes_data)
        struct.pack_into("<Q", header, fields.bytes_size, len(data))
        return self._add(bytes(header) + data + b"\0")

    def text(self, utf8: bytes) -> int:
        """A str: in 2.7 bytes, else compact."""
        fields = self.layout.objects
        if fields.text_is_bytes:
            return self.byte_string(utf8)
        text = os.fsdecode(utf8)
        kind = 1 if text.isascii() else 2
        header = bytearray(fields.unicode_ascii_data if kind == 1 else fields.unicode_compact_data)
        struct.pack_into("<Q", header, fields.unicode_length, len(text))
        state = (kind | 8 | (16 if kind == 1 else 0)) << fields.unicode_kind_shift
        struct.pack_into("<I", header, fields.unicode_state, state)
        return self._add(bytes(header) + b"".join(ord(char).to_bytes(kind, "little") for char in text))

    def _add(self, data: bytes) -> int:
        address = self._next
        self.memory.add(address, data)
        self._next += 0x1_0000
        return address

    def key(self, lasti: int) -> FrameKey:
        """The frame that runs the instruction at this index, in bytes."""
        cache = CodeCache(self.memory, self.layout, Interner(), lambda file: (file, ""))
        cache.refresh([CODE])
        return cache.frame_key(cache.codes[CODE], CODE + lasti)


@every_layout
def test_names_are_read_and_the_qualified_one_is_the_plain_one(layout: Layout) -> None:
    key = Module(layout).key(0)

    assert (key.name, key.qualname, key.file, key.first_line) == ("work", "work", "/src/app.py", 10)


@every_layout
def test_lines_are_those_of_the_instructions(layout: Layout) -> None:
    module = Module(layout)
    lines = [module.key(lasti).line for lasti in (-1, 0, 2, 4, 6, 8)]

    pairs = layout.code.line_format is LineFormat.PAIRS
    assert lines == ([10, 11, 14, 14, 0, 0] if pairs else [10, 10, 11, 11, 14, 14])


@every_layout
def test_function_of_one_line_has_no_table_and_is_on_its_first_line(layout: Layout) -> None:
    pairs = layout.code.line_format is LineFormat.PAIRS

    assert Module(layout, table=b"").key(4).line == (0 if pairs else 10)


@every_layout
def test_table_that_cannot_be_read_gives_no_line(layout: Layout) -> None:
    module = Module(layout)
    module.write(layout.code.linetable, 0x10)

    assert module.key(4).line == 0
    assert module.key(4).name == "work"


@every_layout
def test_names_beyond_ascii_are_read(layout: Layout) -> None:
    key = Module(layout, name="caf\xe9_\u4e2d", file="/\u6587/x.py".encode()).key(0)

    assert (key.name, key.file) == ("caf\xe9_\u4e2d", "/\u6587/x.py")


def test_file_names_of_27_that_are_no_utf8_open_the_file_that_they_name() -> None:
    key = Module(LAYOUTS["2.7"], file=b"/src/caf\xe9.py").key(0)

    assert os.fsencode(key.file) == b"/src/caf\xe9.py"


def test_long_names_of_27_are_cut() -> None:
    key = Module(LAYOUTS["2.7"], name="x" * 5000).key(0)

    assert key.name == "x" * 1024 + "…"


def test_size_of_27_that_is_none_gives_no_name() -> None:
    module = Module(LAYOUTS["2.7"])
    fields = module.layout.objects
    name = int.from_bytes(module.memory.read(CODE + module.layout.code.name, 8), "little")
    module.memory.write(name + fields.bytes_size, struct.pack("<q", -1))

    assert module.key(0).name == "<unreadable code>"
