"""The smallest Mach-O files that hold what the reader looks for: segments with sections, a table of symbols, slices."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

ARM64, X86_64 = 0x0100000C, 0x01000007


def mach_o_file(
    *,
    cpu: int = ARM64,
    text_address: int = 0x100000000,
    sections: Mapping[tuple[str, str], int] | None = None,
    symbols: Mapping[str, int] | None = None,
    undefined: Sequence[str] = (),
) -> bytes:
    """Return a thin 64-bit file; ``sections`` are (segment, section) -> address, ``symbols`` as in C."""
    by_segment: dict[str, list[tuple[str, int]]] = {"__PAGEZERO": [], "__TEXT": []}
    for (segment, section), address in (sections or {}).items():
        by_segment.setdefault(segment, []).append((section, address))
    commands = []
    for segment, rows in by_segment.items():
        address = {"__PAGEZERO": 0, "__TEXT": text_address}.get(segment, text_address + 0x4000)
        body = struct.pack("<16sQQQQiiII", segment.encode(), address, 0x4000, 0, 0x4000, 7, 5, len(rows), 0)
        for section, place in rows:
            body += struct.pack("<16s16sQQIIIIIIII", section.encode(), segment.encode(), place, 64, *[0] * 8)
        commands.append(struct.pack("<II", 0x19, 8 + len(body)) + body)
    strings, table = b"\0", b""
    rows = [(name, 0x0F, 1, value) for name, value in (symbols or {}).items()]
    rows += [(name, 0x01, 0, 0) for name in undefined]
    for name, kind, section, value in rows:
        table += struct.pack("<IBBHQ", len(strings), kind, section, 0, value)
        strings += b"_" + name.encode() + b"\0"
    size = sum(map(len, commands)) + 24
    at = 32 + size
    commands.append(struct.pack("<IIIIII", 0x2, 24, at, len(rows), at + len(table), len(strings)))
    header = struct.pack("<IiiIIIII", 0xFEEDFACF, cpu, 0, 2, len(commands), size, 0, 0)
    return header + b"".join(commands) + table + strings


def fat_file(slices: Mapping[int, bytes]) -> bytes:
    """Return a file of several CPU types."""
    data = struct.pack(">II", 0xCAFEBABE, len(slices))
    at, bodies = 4096, b""
    for cpu, body in slices.items():
        data += struct.pack(">iiIII", cpu, 0, at + len(bodies), len(body), 12)
        bodies += body
    return data.ljust(at, b"\0") + bodies
