"""Protocol buffers, as far as a writer needs them: varints and length-delimited fields."""

from __future__ import annotations

from collections.abc import Iterable

_VARINT, _LENGTH_DELIMITED = 0, 2


def varint(value: int) -> bytes:
    """Return ``value`` as a varint; a negative one as int64 has it, in two's complement."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def number(field: int, value: int) -> bytes:
    """Return an integer field; 0 is the default, and not written."""
    return varint(field << 3 | _VARINT) + varint(value) if value else b""


def numbers(field: int, values: Iterable[int]) -> bytes:
    """Return a repeated integer field, packed."""
    return data(field, b"".join(map(varint, values)))


def data(field: int, content: bytes) -> bytes:
    """Return a field of bytes, of a string in UTF-8, or of an encoded message."""
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(len(content)) + content


def text(field: int, content: str) -> bytes:
    """Return a string field; a lone surrogate, which UTF-8 has not, becomes a question mark."""
    return data(field, content.encode("utf-8", "replace"))
