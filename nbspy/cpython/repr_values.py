"""Reprs of plain values: numbers, texts, bytes, singletons, ranges and slices; as CPython's own functions give them.

Each formatter names the function of CPython that it follows.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from nbspy.cpython.objects import (
    DIGIT_BITS,
    TypeFlag,
    expect_type,
    find_str,
    int_size,
    read_digits,
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


def write_bool(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``bool_repr``."""
    writer.add("True" if int_size(writer.memory, writer.layout, address)[0] else "False")


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


def write_bytes(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``bytes_repr``."""
    expect_type(writer.memory, writer.layout, address, TypeFlag.BYTES_SUBCLASS, "a bytes object")
    fields = writer.layout.objects
    size = read_signed(writer.memory, address + fields.bytes_size)
    _add_bytes(writer, address + fields.bytes_data, size)


def write_bytearray(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``bytearray_repr``."""
    fields = writer.layout.objects
    writer.add(f"{kind.short_name}(")
    size = read_signed(writer.memory, address + fields.tuple_size)
    _add_bytes(writer, read_word(writer.memory, address + fields.bytearray_start) if size else 0, size)
    writer.add(")")


def _add_bytes(writer: ReprWriter, start: int, size: int) -> None:
    if not 0 <= size < _MAX_STR:
        raise CorruptTarget("what should be bytes has an impossible size")
    data = writer.memory.read(start, min(size, max(MAX_SCANNED, writer.left))) if size else b""
    quote = '"' if b"'" in data and b'"' not in data else "'"
    other = b"'" if quote == '"' else b'"'
    writer.add("b" + quote + repr(other + data[: writer.left + 1])[3:-1])
    writer.add(quote)


def write_range(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``range_repr``: ``rangeobject`` is start, stop, step, length."""
    start, stop, step = writer.own_words(address, 3)
    one, negative = int_size(writer.memory, writer.layout, step)
    is_one = one == 1 and not negative and read_digits(writer.memory, writer.layout, step, 0, 1) == 1
    writer.add("range(")
    writer.values((start, stop) if is_one else (start, stop, step))
    writer.add(")")


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
