"""Reprs of plain values: numbers, texts, bytes, singletons, ranges and slices; as CPython's own functions give them.

Each formatter names the function of CPython that it follows.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from nbspy.cpython.layout import Layout
from nbspy.cpython.objects import (
    DIGIT_BITS,
    TypeFlag,
    expect_type,
    find_str,
    int_size,
    read_digits,
    read_int,
    read_signed,
    read_word,
)
from nbspy.cpython.remote_types import RemoteType
from nbspy.cpython.repr_writer import Formatter, ReprWriter
from nbspy.errors import CorruptTarget

MAX_SCANNED: Final = 1 << 14
"""How much of a text is searched for the quotes that decide which ones enclose it: characters, or bytes."""
MAX_DECIMAL_DIGITS: Final = 1 << 11
"""Of 30 bits each, some 18,000 decimal digits: a longer int is shown in hexadecimal, which takes no arithmetic."""
_MAX_SHOWN_DIGITS: Final = 4000
"""Decimal digits shown of one int; more take too long (and Python refuses to convert more than 4300)."""
_LOG10_2: Final = math.log10(2)
_MAX_STR: Final = 1 << 62


def _fixed(text: str) -> Formatter:
    def write(writer: ReprWriter, address: int, kind: RemoteType) -> None:
        writer.add(text)

    return write


def write_int(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``long_to_decimal_string``; beyond :data:`MAX_DECIMAL_DIGITS` the first digits of ``hex()``."""
    count, negative = int_size(writer.memory, writer.layout, address)
    sign = "-" if negative else ""
    if count > MAX_DECIMAL_DIGITS:
        read = min(writer.left * 4 // DIGIT_BITS + 2, count)
        top = read_digits(writer.memory, writer.layout, address, count - read, read)
        # What is left out below is no whole number of hexadecimal digits.
        writer.add(f"{sign}{top >> -(count - read) * DIGIT_BITS % 4:#x}")
        writer.cut()
    value = read_digits(writer.memory, writer.layout, address, 0, count)
    surplus = int(value.bit_length() * _LOG10_2) - min(writer.left, _MAX_SHOWN_DIGITS) - 1
    if surplus <= 0:
        writer.add(f"{sign}{value}")
        return
    writer.add(f"{sign}{value // 10**surplus}")
    writer.cut()


def write_small_int(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``int_repr`` of 2.7."""
    writer.add(str(read_int(writer.memory, writer.layout, address)))


def write_long(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``long_repr`` of 2.7."""
    write_int(writer, address, kind)
    writer.add("L")


def write_bool(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``bool_repr``."""
    writer.add(str(bool(read_int(writer.memory, writer.layout, address))))


def write_float(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``float_repr``."""
    writer.add(repr(_doubles(writer, address + writer.layout.objects.float_value, 1)[0]))


def write_complex(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``complex_repr``; ``cval`` is the only field."""
    writer.add(repr(complex(*_doubles(writer, address + writer.layout.objects.object_size, 2))))


def _doubles(writer: ReprWriter, address: int, count: int) -> tuple[float, ...]:
    return struct.unpack(f"<{count}d", writer.memory.read(address, 8 * count))


def write_str(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``unicode_repr``. What is printable is decided by the Unicode of the Python that reads."""
    extent = replace(find_str(writer.memory, writer.layout, address, max(MAX_SCANNED, writer.left)), truncated=False)
    text = extent.decode(writer.memory.read(extent.address, extent.size))
    quote = '"' if "'" in text and '"' not in text else "'"
    # A quote in front makes repr() choose the other one.
    other = "'" if quote == '"' else '"'
    shown = text[: writer.left + 1]
    writer.add(quote + repr(other + shown)[2:-1])
    writer.add(quote)


def write_unicode(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``unicode_repr`` of 2.7: nothing but ASCII, and quotes as those of a byte string."""
    extent = replace(find_str(writer.memory, writer.layout, address, max(MAX_SCANNED, writer.left)), truncated=False)
    text = extent.decode(writer.memory.read(extent.address, extent.size))
    quote = '"' if "'" in text and '"' not in text else "'"
    other = "'" if quote == '"' else '"'
    # ascii() escapes as 2.7's repr does.
    writer.add("u" + quote + ascii(other + text[: writer.left + 1])[2:-1])
    writer.add(quote)


def write_bytes(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``bytes_repr``."""
    expect_type(writer.memory, writer.layout, address, TypeFlag.BYTES_SUBCLASS, "a bytes object")
    fields = writer.layout.objects
    size = read_signed(writer.memory, address + fields.bytes_size)
    _add_bytes(writer, writer.style.bytes_prefix, address + fields.bytes_data, size)


def write_bytearray(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``bytearray_repr``."""
    fields = writer.layout.objects
    writer.add(f"{kind.short_name}(")
    size = read_signed(writer.memory, address + fields.tuple_size)
    start = read_word(writer.memory, address + fields.bytearray_start) if size else 0
    _add_bytes(writer, "b", start, size, escape_single_quotes=writer.style.bytearray_escapes_single_quotes)
    writer.add(")")


def _add_bytes(writer: ReprWriter, prefix: str, start: int, size: int, *, escape_single_quotes: bool = False) -> None:
    if not 0 <= size < _MAX_STR:
        raise CorruptTarget("what should be bytes has an impossible size")
    data = writer.memory.read(start, min(size, max(MAX_SCANNED, writer.left))) if size else b""
    quote = '"' if b"'" in data and b'"' not in data else "'"
    other = b"'" if quote == '"' else b'"'
    shown = repr(other + data[: writer.left + 1])[3:-1]
    if escape_single_quotes and quote == '"':
        shown = shown.replace("'", r"\'")
    writer.add(prefix + quote + shown)
    writer.add(quote)


def write_range(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``range_repr``: ``rangeobject`` is start, stop, step, length."""
    start, stop, step = writer.own_words(address, 3)
    writer.add("range(")
    writer.values((start, stop, step) if _is_other_than_one(writer, step) else (start, stop))
    writer.add(")")


def _is_other_than_one(writer: ReprWriter, address: int) -> bool:
    count, negative = int_size(writer.memory, writer.layout, address)
    return negative or count != 1 or read_digits(writer.memory, writer.layout, address, 0, 1) != 1


def write_xrange(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``range_repr`` of 2.7: ``rangeobject`` is start, step and length, as C numbers."""
    size = writer.layout.objects.object_size
    start, step, length = struct.unpack("<3q", writer.memory.read(address + size, 24))
    parts = (start, start + length * step, step) if step != 1 else (start, start + length) if start else (length,)
    writer.add(f"xrange({', '.join(map(str, parts))})")


def write_slice(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``slice_repr``: ``PySliceObject`` is start, stop, step."""
    writer.add("slice(")
    writer.values(writer.own_words(address, 3))
    writer.add(")")


FORMATS: Final[Mapping[str, Formatter]] = {
    "NoneType": _fixed("None"),
    "ellipsis": _fixed("Ellipsis"),
    "NotImplementedType": _fixed("NotImplemented"),
    "int": write_int,
    "bool": write_bool,
    "float": write_float,
    "complex": write_complex,
    "str": write_str,
    "bytes": write_bytes,
    "bytearray": write_bytearray,
    "range": write_range,
    "slice": write_slice,
}

FORMATS_OF_2: Final[Mapping[str, Formatter]] = {
    **FORMATS,
    "int": write_small_int,
    "long": write_long,
    "str": write_bytes,
    "unicode": write_unicode,
    "xrange": write_xrange,
}
"""The same for 2.7, whose names stand for other types."""


def formats_for(layout: Layout) -> Mapping[str, Formatter]:
    """Return the formats of plain values in this version."""
    return FORMATS_OF_2 if layout.objects.text_is_bytes else FORMATS
