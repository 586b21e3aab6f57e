"""The smallest PE files that hold what the reader looks for: sections, and a sorted table of exports."""

from __future__ import annotations

import struct
from collections.abc import Mapping


def pe_file(
    *,
    sections: Mapping[str, int] | None = None,
    exports: Mapping[str, int] | None = None,
    forwards: Mapping[str, str] | None = None,
    magic: int = 0x20B,
) -> bytes:
    """Return a PE32+ whose exports lie in a section ``.rdata`` at 0x1000."""
    at = 0x1000
    names = sorted([*(exports or {}), *(forwards or {})], key=str.encode)
    functions_at = at + 40
    names_at, ordinals_at = functions_at + 4 * len(names), functions_at + 8 * len(names)
    text_at = ordinals_at + 2 * len(names)
    texts, functions, pointers = b"", b"", b""
    for name in names:
        pointers += struct.pack("<I", text_at + len(texts))
        texts += name.encode() + b"\0"
    for name in names:
        if forwards and name in forwards:
            functions += struct.pack("<I", text_at + len(texts))
            texts += forwards[name].encode() + b"\0"
        else:
            functions += struct.pack("<I", (exports or {})[name])
    ordinals = struct.pack(f"<{len(names)}H", *range(len(names)))
    head = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, 0, 1, len(names), len(names), functions_at, names_at, ordinals_at)
    body = head + functions + pointers + ordinals + texts
    rows = {".rdata": at, **(sections or {})}
    headers_size = 64 + 24 + 240 + 40 * len(rows)
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 64)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, len(rows), 0, 0, 0, 240, 0x2022)
    directory = struct.pack("<III", 16, at if names else 0, len(body))
    optional = (struct.pack("<H", magic).ljust(108, b"\0") + directory).ljust(240, b"\0")
    table, data = b"", b""
    for name, address in rows.items():
        content = body if name == ".rdata" else bytes(16)
        place = headers_size + len(data)
        table += struct.pack("<8sIIIIIIHHI", name.encode()[:8], len(content), address, len(content), place, *[0] * 5)
        data += content
    return dos + coff + optional + table + data
