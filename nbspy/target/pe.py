"""PE, the executables and libraries of Windows: "PE Format" in Microsoft's documentation.

Only PE32+ (64-bit). Addresses are relative to where the image is loaded, so the first one is 0. Files come from a
target and are untrusted: all is bounded, and a file that contradicts itself is no file. (pefile reads the same, and
takes 120 ms to import.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from nbspy.target.binary_facts import BinaryFacts, Damaged, read_at

_DOS_SIZE: Final = 64
_HEADER_AT: Final = 0x3C
_COFF: Final = struct.Struct("<4sHHIIIHH")
_PE32_PLUS: Final = 0x20B
_DIRECTORIES_AT: Final = 112
"""In the optional header: the first data directory (address and size), which is that of the exports."""
_SECTION: Final = struct.Struct("<8sIIIIIIHHI")
_EXPORTS: Final = struct.Struct("<IIHHIIIIIII")
_MAX_OPTIONAL_BYTES: Final = 4096
_MAX_SECTIONS: Final = 96
"""What the loader of Windows takes."""
_MAX_NAMES: Final = 65_536
_MAX_NAME_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    address: int
    size: int
    """In the file."""
    offset: int


class _Image:
    """A file whose parts are asked for by their addresses once loaded."""

    def __init__(self, file: BinaryIO, sections: list[_Section]) -> None:
        self._file = file
        self.sections = sections

    def read(self, address: int, size: int) -> bytes:
        for section in self.sections:
            if section.address <= address and address + size <= section.address + section.size:
                return read_at(self._file, section.offset + address - section.address, size)
        raise Damaged(f"nothing in the file is loaded at {address:#x}")

    def text(self, address: int) -> bytes:
        """Return the bytes at ``address`` up to a zero."""
        for section in self.sections:
            left = section.address + section.size - address
            if section.address <= address and left > 0:
                return self.read(address, min(left, _MAX_NAME_BYTES)).partition(b"\0")[0]
        raise Damaged(f"nothing in the file is loaded at {address:#x}")


def inspect(file: BinaryIO, sections: tuple[str, ...], symbols: tuple[str, ...]) -> BinaryFacts | None:
    """Return the addresses of those ``sections`` and exported ``symbols`` that a PE ``file`` has; None for no PE32+."""
    try:
        image, exports_at, exports_size = _open(file)
        found_sections: dict[str, int] = {}
        for section in image.sections:
            if section.name in sections:
                found_sections.setdefault(section.name, section.address)
        found_symbols = _exported(image, exports_at, exports_size, symbols) if exports_at else {}
    except (Damaged, struct.error, OverflowError, ValueError):
        return None
    return BinaryFacts(0, found_sections, found_symbols)


def _open(file: BinaryIO) -> tuple[_Image, int, int]:
    """Return the image, and address and size of its table of exports (0: it has none)."""
    dos = read_at(file, 0, _DOS_SIZE)
    (at,) = struct.unpack_from("<I", dos, _HEADER_AT)
    signature, _, count, _, _, _, optional_size, _ = _COFF.unpack(read_at(file, at, _COFF.size))
    if dos[:2] != b"MZ" or signature != b"PE\0\0" or count > _MAX_SECTIONS or optional_size > _MAX_OPTIONAL_BYTES:
        raise Damaged("no PE")
    optional = read_at(file, at + _COFF.size, optional_size)
    if struct.unpack_from("<H", optional) != (_PE32_PLUS,):
        raise Damaged("a 32-bit PE")
    (directories,) = struct.unpack_from("<I", optional, _DIRECTORIES_AT - 4)
    exports = struct.unpack_from("<II", optional, _DIRECTORIES_AT) if directories else (0, 0)
    rows = read_at(file, at + _COFF.size + optional_size, count * _SECTION.size)
    sections = [
        _Section(name.rstrip(b"\0").decode("latin-1"), address, size, offset)
        for name, _, address, size, offset, *_ in _SECTION.iter_unpack(rows)
    ]
    return _Image(file, sections), *exports


def _exported(image: _Image, at: int, size: int, wanted: tuple[str, ...]) -> dict[str, int]:
    """Look names up among the exports, which are sorted by their bytes."""
    (*_, count_functions, count_names, functions, names, ordinals) = _EXPORTS.unpack(image.read(at, _EXPORTS.size))
    if count_names > _MAX_NAMES or count_functions > _MAX_NAMES:
        raise Damaged("a table of exports beyond all bounds")
    if not count_names:
        return {}
    pointers = struct.unpack(f"<{count_names}I", image.read(names, 4 * count_names))
    found = {}
    for name in wanted:
        low, high = 0, count_names
        while low < high:
            middle = (low + high) // 2
            if image.text(pointers[middle]) < name.encode():
                low = middle + 1
            else:
                high = middle
        if low < count_names and image.text(pointers[low]) == name.encode():
            (ordinal,) = struct.unpack("<H", image.read(ordinals + 2 * low, 2))
            (address,) = struct.unpack("<I", image.read(functions + 4 * ordinal, 4))
            if not at <= address < at + size:  # else it is the name of another library's export
                found[name] = address
    return found
