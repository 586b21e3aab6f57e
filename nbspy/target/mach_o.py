"""Mach-O, the executables and libraries of macOS: ``mach-o/loader.h``, ``nlist.h``, ``fat.h`` of the SDK.

Only 64-bit little-endian ones: x86-64 and arm64. Files come from a target and are untrusted: all is bounded, and a file
that contradicts itself is no file. (macholib reads the same, takes 50 ms to import, and reads no symbols by name.)
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from nbspy.target.binary_facts import BinaryFacts, Damaged, read_at

MAGIC: Final = 0xFEEDFACF
"""``MH_MAGIC_64``, read as little-endian."""
FAT_MAGICS: Final = {0xCAFEBABE: struct.Struct(">iiIII"), 0xCAFEBABF: struct.Struct(">iiQQII")}
"""``FAT_MAGIC``, ``FAT_MAGIC_64`` (always big-endian), and how each lists a slice: CPU type, subtype, offset, size."""
CPU_X86_64: Final = 0x01000007
CPU_ARM64: Final = 0x0100000C
_LC_SYMTAB: Final = 0x2
_LC_SEGMENT_64: Final = 0x19
_HEADER: Final = struct.Struct("<IiiIIIII")
_COMMAND: Final = struct.Struct("<II")
_SEGMENT: Final = struct.Struct("<16sQQQQiiII")
_SECTION: Final = struct.Struct("<16s16sQQIIIIIIII")
_SYMTAB: Final = struct.Struct("<IIII")
_SYMBOL: Final = struct.Struct("<IBBHQ")
_TYPE_MASK: Final = 0xEE
"""``N_STAB | N_TYPE``: what remains of a defined symbol of a section is ``N_SECT``."""
_N_SECT: Final = 0x0E
_MAX_COMMAND_BYTES: Final = 1 << 20
_MAX_SLICES: Final = 32
_MAX_SYMBOLS: Final = 2_000_000
_MAX_STRING_BYTES: Final = 256 << 20


class FileSlice(io.RawIOBase):
    """A part of a file as a file of its own; closing it closes the whole."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # RawIOBase takes any buffer
        size = max(0, min(len(buffer), self._size - self._position))
        self._file.seek(self._start + self._position)
        data = self._file.read(size)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def slice_for(file: BinaryIO, cpu_type: int) -> BinaryIO:
    """Return the part of a fat file that is for ``cpu_type``; a file that is not fat, or has no such part, as it is."""
    try:
        magic, count = struct.unpack(">II", read_at(file, 0, 8))
        entry = FAT_MAGICS.get(magic)
        if entry is None or count > _MAX_SLICES:
            return file
        for cpu, _, offset, size, *_ in entry.iter_unpack(read_at(file, 8, count * entry.size)):
            if cpu == cpu_type:
                return io.BufferedReader(FileSlice(file, offset, size))
    except Damaged:
        return file
    return file


def cpu_type_of(header: bytes) -> int:
    """Return the CPU type that the first 8 bytes of an image in memory name; 0 where they are none of Mach-O."""
    magic, cpu_type = struct.unpack("<Ii", header)
    return cpu_type if magic == MAGIC else 0


def inspect(file: BinaryIO, sections: tuple[str, ...], symbols: tuple[str, ...]) -> BinaryFacts | None:
    """Return the addresses of those ``sections`` and ``symbols`` that a thin Mach-O ``file`` has; None for no Mach-O.

    Names of symbols are as in C: Mach-O puts an underscore before each.
    """
    try:
        commands = list(_commands(file))
        text = [fields[1] for kind, body in commands if kind == _LC_SEGMENT_64 for fields in _segment(body, b"__TEXT")]
        if not text:
            return None
        found_sections: dict[str, int] = {}
        found_symbols: dict[str, int] = {}
        for kind, body in commands:
            if kind == _LC_SEGMENT_64:
                for name, address in _sections(body):
                    if name in sections:
                        found_sections.setdefault(name, address)
            elif kind == _LC_SYMTAB and not found_symbols:
                found_symbols = _symbols(file, body, symbols)
    except (Damaged, struct.error, OverflowError, ValueError):
        return None
    return BinaryFacts(text[0], found_sections, found_symbols)


def _commands(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield kind and body of each load command."""
    magic, _, _, _, count, size, _, _ = _HEADER.unpack(read_at(file, 0, _HEADER.size))
    if magic != MAGIC or size > _MAX_COMMAND_BYTES:
        raise Damaged("no 64-bit Mach-O")
    data = read_at(file, _HEADER.size, size)
    place = 0
    for _ in range(count):
        kind, length = _COMMAND.unpack_from(data, place)
        if length < _COMMAND.size or place + length > size:
            raise Damaged("a load command leaves the others")
        yield kind, data[place + _COMMAND.size : place + length]
        place += length
        if place == size:
            return


def _segment(body: bytes, wanted: bytes) -> Iterator[tuple[bytes, int, int]]:
    name, address, size, *_ = _SEGMENT.unpack_from(body)
    if name.rstrip(b"\0") == wanted:
        yield name, address, size


def _sections(body: bytes) -> Iterator[tuple[str, int]]:
    count = _SEGMENT.unpack_from(body)[7]
    rows = body[_SEGMENT.size :]
    for name, _, address, *_ in _SECTION.iter_unpack(rows[: min(count, len(rows) // _SECTION.size) * _SECTION.size]):
        yield name.rstrip(b"\0").decode("ascii", "replace"), address


def _symbols(file: BinaryIO, body: bytes, names: tuple[str, ...]) -> dict[str, int]:
    """Search the table by the places of the names among its strings: to look at each symbol's name takes longer."""
    table, count, strings_at, strings_size = _SYMTAB.unpack_from(body)
    if count > _MAX_SYMBOLS or strings_size > _MAX_STRING_BYTES:
        raise Damaged("a table of symbols beyond all bounds")
    strings = read_at(file, strings_at, strings_size)
    wanted: dict[int, str] = {}
    for name in names:
        text = b"\0_" + name.encode() + b"\0"
        position = strings.find(text)
        while position >= 0:
            wanted[position + 1] = name
            position = strings.find(text, position + 1)
    found: dict[str, int] = {}
    if not wanted:
        return found
    for place, kind, _, _, value in _SYMBOL.iter_unpack(read_at(file, table, count * _SYMBOL.size)):
        if place in wanted and kind & _TYPE_MASK == _N_SECT:
            found.setdefault(wanted[place], value)
    return found
