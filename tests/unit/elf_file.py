"""The smallest ELF files that hold what the reader looks for: one loaded segment, sections by name, a ``.symtab``."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_PT_LOAD, _PROGBITS, _SYMTAB, _STRTAB = 1, 1, 2, 3


def elf_file(
    *, load_address: int = 0, sections: Mapping[str, int] | None = None, symbols: Mapping[str, int] | None = None
) -> bytes:
    """Return an x86-64 ELF whose lowest segment is linked at ``load_address``."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in symbols or {})
    table = bytes(24)
    offset = 1
    for name, address in (symbols or {}).items():
        table += struct.pack("<IBBHQQ", offset, 0x11, 0, 1, address, 8)
        offset += len(name) + 1
    section_names = [*(sections or {}), *([".symtab", ".strtab"] if symbols else []), ".shstrtab"]
    names = b"\0" + b"".join(name.encode() + b"\0" for name in section_names)
    body_start = 64 + 56
    strings_start = body_start + len(table)
    names_start = strings_start + len(strings)
    headers_start = names_start + len(names)
    headers = [bytes(64)]

    def header(name: str, kind: int, address: int, start: int, size: int, link: int = 0, entry: int = 0) -> None:
        place = names.index(b"\0" + name.encode() + b"\0") + 1
        headers.append(struct.pack("<IIQQQQIIQQ", place, kind, 2, address, start, size, link, 0, 1, entry))

    for name, address in (sections or {}).items():
        header(name, _PROGBITS, address, body_start, 8)
    if symbols:
        header(".symtab", _SYMTAB, 0, body_start, len(table), link=len(headers) + 1, entry=24)
        header(".strtab", _STRTAB, 0, strings_start, len(strings))
    header(".shstrtab", _STRTAB, 0, names_start, len(names))
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    file_header = identity + struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, headers_start, 0, 64, 56, 1, 64, len(headers), len(headers) - 1
    )
    program = struct.pack("<IIQQQQQQ", _PT_LOAD, 5, 0, load_address, load_address, 0x1000, 0x1000, 0x1000)
    return file_header + program + table + strings + names + b"".join(headers)
