"""Python objects of the target: types, str, bytes, int, tuple, list.

Mirrors ``Include/cpython/{unicodeobject,longintrepr}.h``. An address is that of a ``PyObject``; nothing is believed of
it: its type is checked by ``tp_flags``, every count is bounded before it is used. Each reader raises
:class:`~nbspy.errors.MemoryFault` where a pointer leads outside and :class:`~nbspy.errors.CorruptTarget` where the
object is not what it should be; the target may be changing it.
"""

from __future__ import annotations

import struct
from typing import Final

from nbspy.cpython.layout import Layout
from nbspy.cpython.strings import StringExtent, string_extent, string_header_size
from nbspy.errors import CorruptTarget
from nbspy.target.memory import RemoteMemory

MAX_CHARS: Final = 1024
MAX_BYTES: Final = 1 << 16
MAX_DIGITS: Final = 64
"""Of 30 bits each."""
WORD_BYTES: Final = 8
_MAX_TYPE_NAME_BYTES: Final = 256
DIGIT_BITS: Final = 30
_DIGIT_BYTES: Final = 4
_DIGIT_MASK: Final = (1 << DIGIT_BITS) - 1
_SIGN_MASK: Final = 3
_TAG_SHIFT: Final = 3
_NEGATIVE: Final = 2
_C_STRING_STEP: Final = 64
"""A C string is read in aligned pieces: a piece never reaches into a page that may not be there."""


class TypeFlag:
    """``tp_flags`` (``Include/object.h``): plain numbers, because an enumeration's ``&`` takes a microsecond."""

    INLINE_VALUES: Final = 1 << 2
    """3.13+."""
    MANAGED_DICT: Final = 1 << 4
    """3.11+."""
    HEAP_TYPE: Final = 1 << 9
    INT_SUBCLASS: Final = 1 << 23
    """2.7."""
    LONG_SUBCLASS: Final = 1 << 24
    LIST_SUBCLASS: Final = 1 << 25
    TUPLE_SUBCLASS: Final = 1 << 26
    BYTES_SUBCLASS: Final = 1 << 27
    UNICODE_SUBCLASS: Final = 1 << 28
    DICT_SUBCLASS: Final = 1 << 29
    TYPE_SUBCLASS: Final = 1 << 31


def type_address(memory: RemoteMemory, layout: Layout, address: int) -> int:
    """Return the address of the type of the object at ``address``."""
    return read_word(memory, address + layout.objects.ob_type)


def type_flags(memory: RemoteMemory, layout: Layout, address: int) -> int:
    """Return ``tp_flags`` of the object's type."""
    return read_word(memory, type_address(memory, layout, address) + layout.objects.type_flags)


def type_name(memory: RemoteMemory, layout: Layout, address: int) -> str:
    """Return ``tp_name`` of the object's type: dotted for a static type, the bare name for a class."""
    name = read_word(memory, type_address(memory, layout, address) + layout.objects.type_name)
    return read_c_string(memory, name, _MAX_TYPE_NAME_BYTES)


def read_c_string(memory: RemoteMemory, address: int, max_bytes: int) -> str:
    """Return the ``const char *`` at ``address``, cut at ``max_bytes``."""
    data = b""
    while b"\0" not in data and len(data) < max_bytes:
        step = _C_STRING_STEP - (address + len(data)) % _C_STRING_STEP
        data += memory.read(address + len(data), step)
    return data.partition(b"\0")[0][:max_bytes].decode("utf-8", "replace")


def read_str(memory: RemoteMemory, layout: Layout, address: int, max_chars: int = MAX_CHARS) -> str:
    """Return the text of a str; behind ``max_chars`` it is cut, and an ellipsis says so. Lone surrogates are kept."""
    extent = find_str(memory, layout, address, max_chars)
    return extent.decode(memory.read(extent.address, extent.size))


def find_str(memory: RemoteMemory, layout: Layout, address: int, max_chars: int) -> StringExtent:
    """Return where the first ``max_chars`` characters of a str lie; in 2.7 also of a ``unicode``."""
    fields = layout.objects
    flags = type_flags(memory, layout, address)
    if not flags & (TypeFlag.UNICODE_SUBCLASS | (TypeFlag.BYTES_SUBCLASS if fields.text_is_bytes else 0)):
        raise CorruptTarget("what should be a str is none")
    if fields.unicode_pointer is not None and flags & TypeFlag.UNICODE_SUBCLASS:
        return _find_unicode(memory, layout, address, max_chars)
    header = memory.read(address, string_header_size(layout))
    state = int.from_bytes(header[fields.unicode_state : fields.unicode_state + 4], "little")
    if fields.text_is_bytes or state >> fields.unicode_kind_shift + 3 & 1:
        return string_extent(layout, address, header, max_chars)
    # An instance of a subclass is not compact: the same fields, and behind them a pointer to the data.
    kind = state >> fields.unicode_kind_shift & 7
    length = int.from_bytes(header[fields.unicode_length : fields.unicode_length + WORD_BYTES], "little")
    if kind not in (1, 2, 4):
        raise CorruptTarget("what should be a string is none")
    data = read_word(memory, address + fields.unicode_compact_data)
    return StringExtent(data, min(length, max_chars) * kind, kind, truncated=length > max_chars)


def _find_unicode(memory: RemoteMemory, layout: Layout, address: int, max_chars: int) -> StringExtent:
    """``PyUnicodeObject`` of 2.7."""
    fields = layout.objects
    assert fields.unicode_pointer is not None
    length, data = (read_word(memory, address + field) for field in (fields.unicode_length, fields.unicode_pointer))
    size = fields.unicode_char_size or 4
    return StringExtent(data, min(length, max_chars) * size, size, truncated=length > max_chars)


def read_bytes(memory: RemoteMemory, layout: Layout, address: int, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the first ``max_bytes`` of a bytes object."""
    expect_type(memory, layout, address, TypeFlag.BYTES_SUBCLASS, "a bytes object")
    size = read_signed(memory, address + layout.objects.bytes_size)
    if size < 0:
        raise CorruptTarget("a bytes object has a negative size")
    return memory.read(address + layout.objects.bytes_data, min(size, max_bytes))


def read_int(memory: RemoteMemory, layout: Layout, address: int, max_digits: int = MAX_DIGITS) -> int:
    """Return the value of an int; one of more than ``max_digits`` 30-bit digits is a CorruptTarget."""
    field = layout.objects.int_value
    if field is not None and type_flags(memory, layout, address) & TypeFlag.INT_SUBCLASS:
        return read_signed(memory, address + field)
    count, negative = int_size(memory, layout, address)
    if count > max_digits:
        raise CorruptTarget(f"an int has {count} digits of {DIGIT_BITS} bits")
    value = read_digits(memory, layout, address, 0, count)
    return -value if negative else value


def int_size(memory: RemoteMemory, layout: Layout, address: int) -> tuple[int, bool]:
    """Return of how many 30-bit digits an int (2.7: a ``long``) is, and whether it is negative."""
    expect_type(memory, layout, address, TypeFlag.LONG_SUBCLASS, "an int")
    if layout.objects.long_has_tag:
        tag = read_word(memory, address + layout.objects.long_tag)
        return tag >> _TAG_SHIFT, tag & _SIGN_MASK == _NEGATIVE
    size = read_signed(memory, address + layout.objects.long_tag)
    return abs(size), size < 0


def read_digits(memory: RemoteMemory, layout: Layout, address: int, first: int, count: int) -> int:
    """Return ``count`` digits of an int, from digit ``first`` on, as a number; linear in ``count``."""
    data = memory.read(address + layout.objects.long_digits + _DIGIT_BYTES * first, _DIGIT_BYTES * count)
    digits = struct.unpack(f"<{count}I", data)
    return int("".join(f"{digit & _DIGIT_MASK:0{DIGIT_BITS}b}" for digit in reversed(digits)) or "0", 2)


def tuple_items(memory: RemoteMemory, layout: Layout, address: int, max_items: int) -> tuple[int, ...]:
    """Return the addresses of a tuple's items; one of more than ``max_items`` is a CorruptTarget."""
    expect_type(memory, layout, address, TypeFlag.TUPLE_SUBCLASS, "a tuple")
    count = read_signed(memory, address + layout.objects.tuple_size)
    if not 0 <= count <= max_items:
        raise CorruptTarget(f"a tuple has {count} items")
    return read_words(memory, address + layout.objects.tuple_items, count)


def expect_type(memory: RemoteMemory, layout: Layout, address: int, flag: int, what: str) -> None:
    if not type_flags(memory, layout, address) & flag:
        raise CorruptTarget(f"what should be {what} is none")


def read_word(memory: RemoteMemory, address: int) -> int:
    return int.from_bytes(memory.read(address, WORD_BYTES), "little")


def read_words(memory: RemoteMemory, address: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}Q", memory.read(address, count * WORD_BYTES))


def read_signed(memory: RemoteMemory, address: int) -> int:
    return int.from_bytes(memory.read(address, WORD_BYTES), "little", signed=True)
