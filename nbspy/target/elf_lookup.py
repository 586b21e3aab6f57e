"""The address of a section, or of a dynamic symbol, in an ordinary ELF file, found with a few small reads.

What an attach needs of a binary is two or three numbers. pyelftools finds them in every ELF there is, but to import and
build it takes 60 ms, a third of an attach; this takes less than one. It knows 64-bit little-endian files with a section
table and a GNU hash table, which is what linkers make; for any other it raises :class:`NotOrdinary`, and
:mod:`nbspy.target.binaries` asks pyelftools. All that a file says is bounded before it is used.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, Final, NamedTuple

_HEADER: Final = struct.Struct("<4sBB10x8x8xQQ4xHHHHHH")
"""magic, class, byte order; phoff, shoff, ehsize, phentsize, phnum, shentsize, shnum, shstrndx."""
_SEGMENT: Final = struct.Struct("<I12xQ32x")
"""type, virtual address."""
_SECTION: Final = struct.Struct("<II8xQQQI4x8xQ")
"""name, type, address, offset, size, link, size of an entry."""
_SYMBOL: Final = struct.Struct("<I2xHQ8x")
"""name, section, value."""
_HASH: Final = struct.Struct("<IIII")
"""buckets, first symbol, words of the Bloom filter, its shift."""
_WORD: Final = struct.Struct("<I")
_PT_LOAD: Final = 1
_MAX_ENTRIES: Final = 4096
_MAX_NAMES: Final = 1 << 20
_MAX_CHAIN: Final = 4096
"""Symbols of one bucket; linkers make one or two."""


class NotOrdinary(Exception):
    """The file is no ELF, or one that is not understood here."""


class _Section(NamedTuple):
    name: int
    type: int
    address: int
    offset: int
    size: int
    link: int
    entry_size: int


class OrdinaryElf:
    """One open file; raises :class:`NotOrdinary` where it is another kind of file, or damaged."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        header = self._unpack(_HEADER, 0)
        magic, width, order, phoff, shoff, _, phentsize, phnum, shentsize, shnum, names = header
        if (magic, width, order) != (b"\x7fELF", 2, 1) or (phentsize, shentsize) != (_SEGMENT.size, _SECTION.size):
            raise NotOrdinary("not a 64-bit little-endian ELF file")
        if not (0 < phnum <= _MAX_ENTRIES and 0 < shnum <= _MAX_ENTRIES and names < shnum):
            raise NotOrdinary("it has no usual tables")
        segments = _SEGMENT.iter_unpack(self._read(phoff, phnum * _SEGMENT.size))
        self.loads = [address for kind, address in segments if kind == _PT_LOAD]
        """Virtual addresses of the segments that are loaded."""
        self._sections = [_Section(*row) for row in _SECTION.iter_unpack(self._read(shoff, shnum * _SECTION.size))]
        table = self._sections[names]
        if table.size > _MAX_NAMES:
            raise NotOrdinary("its sections have too long names")
        self._names = self._read(table.offset, table.size)

    def section(self, name: str) -> int | None:
        """Return the address of the section, None where there is none."""
        found = self._find(name)
        return None if found is None else found.address

    def symbol(self, name: str) -> int | None:
        """Return the value of a symbol that the dynamic symbol table defines, None where it does not."""
        table = self._find(".gnu.hash")
        if table is None or table.link >= len(self._sections):
            raise NotOrdinary("it has no GNU hash table")
        symbols = self._sections[table.link]
        if symbols.link >= len(self._sections) or symbols.entry_size != _SYMBOL.size:
            raise NotOrdinary("its dynamic symbols are of another form")
        buckets, first, filter_words, _ = self._unpack(_HASH, table.offset)
        if not buckets:
            return None
        wanted = _gnu_hash(name.encode())
        at = table.offset + _HASH.size + 8 * filter_words
        (index,) = self._unpack(_WORD, at + 4 * (wanted % buckets))
        if index < first:
            return None
        chains = at + 4 * buckets
        for number in range(index, index + _MAX_CHAIN):
            (value,) = self._unpack(_WORD, chains + 4 * (number - first))
            if value | 1 == wanted | 1:
                text, section, address = self._unpack(_SYMBOL, symbols.offset + number * _SYMBOL.size)
                expected = name.encode() + b"\0"
                if self._read(self._sections[symbols.link].offset + text, len(expected)) == expected:
                    return int(address) if section else None
            if value & 1:
                return None
        raise NotOrdinary("a chain of its hash table has no end")

    def _find(self, name: str) -> _Section | None:
        wanted = name.encode() + b"\0"
        for section in self._sections:
            if self._names.startswith(wanted, section.name):
                return section
        return None

    def _unpack(self, form: struct.Struct, offset: int) -> tuple[Any, ...]:
        return form.unpack(self._read(offset, form.size))

    def _read(self, offset: int, size: int) -> bytes:
        try:
            self._file.seek(offset)
            data = self._file.read(size)
        except (OSError, ValueError, OverflowError) as err:
            raise NotOrdinary(str(err)) from err
        if len(data) != size:
            raise NotOrdinary("it ends too early")
        return data


def _gnu_hash(name: bytes) -> int:
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xFFFF_FFFF
    return value
