"""``PyUnicodeObject`` and ``PyBytesObject``: how long they are and where their data lies.

In 2.7 the names of things are ``PyStringObject``, which is bytes: UTF-8 as a rule, and what is not is escaped as
:func:`os.fsdecode` does.

Sizes come from the target: they are bounded by the caller before anything is read.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from nbspy.cpython.layout import Layout
from nbspy.cpython.thread_state import word
from nbspy.errors import CorruptTarget

_MAX_LENGTH: Final = 1 << 40
_CHAR_SIZES: Final = (1, 2, 4)


class StringExtent(msgspec.Struct, frozen=True):
    """Where the data of one str lies; ``size`` is what to read of it, in bytes."""

    address: int
    size: int
    char_size: int
    """1, 2 or 4 bytes."""
    truncated: bool
    utf8: bool = False
    """2.7: bytes that are to be read as UTF-8."""

    def decode(self, data: bytes) -> str:
        """Return the text; an ellipsis marks what was cut. Lone surrogates stay as they are.

        Raises CorruptTarget where the data holds no characters.
        """
        if self.char_size == 2:
            # As utf-16 two lone surrogates side by side would become one character.
            text = "".join(map(chr, struct.unpack(f"<{len(data) // 2}H", data)))
        elif self.utf8:
            text = data.decode("utf-8", "surrogateescape")
        elif self.char_size == 1:
            text = data.decode("latin-1")
        else:
            try:
                text = data.decode("utf-32-le", "surrogatepass")
            except UnicodeDecodeError as err:
                raise CorruptTarget("what should be a string holds no characters") from err
        return text + "…" if self.truncated else text


def string_header_size(layout: Layout) -> int:
    """Return how many bytes of a str :func:`string_extent` is to be given."""
    fields = layout.objects
    return fields.bytes_size + 8 if fields.text_is_bytes else fields.unicode_ascii_data


def string_extent(layout: Layout, address: int, header: bytes, max_chars: int) -> StringExtent:
    """Return where the data of the str at ``address`` lies, given its first :func:`string_header_size` bytes.

    Raises CorruptTarget where it is no compact str (every identifier, file name and literal is).
    """
    fields = layout.objects
    if fields.text_is_bytes:
        size = word(header, fields.bytes_size)
        if size > _MAX_LENGTH:
            raise CorruptTarget("what should be a string is none")
        return StringExtent(address + fields.bytes_data, min(size, max_chars), 1, size > max_chars, utf8=True)
    length = word(header, fields.unicode_length)
    state = int.from_bytes(header[fields.unicode_state : fields.unicode_state + 4], "little")
    kind = state >> fields.unicode_kind_shift & 7
    compact = state >> fields.unicode_kind_shift + 3 & 1
    ascii_only = state >> fields.unicode_kind_shift + 4 & 1
    if kind not in _CHAR_SIZES or not compact or length > _MAX_LENGTH or (ascii_only and kind != 1):
        raise CorruptTarget("what should be a string is none")
    start = fields.unicode_ascii_data if ascii_only else fields.unicode_compact_data
    chars = min(length, max_chars)
    return StringExtent(address + start, chars * kind, kind, truncated=length > max_chars)


def bytes_extent(layout: Layout, address: int, header: bytes, max_bytes: int) -> tuple[int, int]:
    """Return (address, size) of the data of the bytes object at ``address``, given its bytes up to the size.

    Raises CorruptTarget where it is longer than ``max_bytes``: half a table is of no use.
    """
    size = word(header, layout.objects.bytes_size)
    if size > max_bytes:
        raise CorruptTarget("what should be a bytes object is none, or too long")
    return address + layout.objects.bytes_data, size
