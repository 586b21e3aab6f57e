"""Protocol buffers, as far as a reader of untrusted bytes needs them: the fields of a message, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nbspy.errors import StreamError

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES: Final = 10


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (number, value) of each field: an integer, or the bytes of a string, a message or packed integers.

    Raises :class:`StreamError` where the bytes are no message.
    """
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = varint(message, at)
            yield number, value
            continue
        if kind == _LENGTH_DELIMITED:
            length, at = varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise StreamError(f"a field of the unknown kind {kind}")
        if length > len(message) - at:
            raise StreamError("a field is longer than its message: the file is cut short")
        yield number, message[at : at + length]
        at += length


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the integer at offset ``at``, unsigned, and the offset behind it."""
    value = shift = 0
    for end in range(at, min(at + _MAX_VARINT_BYTES, len(data))):
        value |= (data[end] & 0x7F) << shift
        if data[end] < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, end + 1
        shift += 7
    raise StreamError("a number does not end: the file is cut short or damaged")


def integers(value: int | bytes) -> list[int]:
    """Return the integers of one occurrence of a repeated field, packed or not."""
    if isinstance(value, int):
        return [value]
    numbers, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        numbers.append(number)
    return numbers


def signed(value: int) -> int:
    """Return an int64 from the unsigned integer of a varint."""
    return value - (1 << 64) if value >> 63 else value
