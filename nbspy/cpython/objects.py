"""Python objects of the target: str, bytes, int, dict, attributes of instances and modules.

Mirrors ``Include/cpython/{unicodeobject,longintrepr,dictobject}.h`` and ``Include/internal/pycore_dict.h``. An address
is that of a ``PyObject``; nothing is believed of it: its type is checked by ``tp_flags``, every count is bounded before
it is used, and no reader recurses. Each raises :class:`~nbspy.errors.MemoryFault` where a pointer leads outside and
:class:`~nbspy.errors.CorruptTarget` where the object is not what it should be; the target may be changing it.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nbspy.cpython.layout import InstanceValues, Layout
from nbspy.cpython.strings import StringExtent, string_extent
from nbspy.errors import CorruptTarget
from nbspy.target.memory import RemoteMemory

MAX_CHARS: Final = 1024
MAX_BYTES: Final = 1 << 16
MAX_DIGITS: Final = 64
"""Of 30 bits each."""
MAX_ITEMS: Final = 1 << 16
_MAX_TYPE_NAME_BYTES: Final = 256
_MAX_LOG2_INDEX_BYTES: Final = 40
_MAX_SPLIT_ITEMS: Final = 255
"""``PyDictValues.capacity`` is a byte."""
_WORD_BYTES: Final = 8
_DIGIT_BITS: Final = 30
_SIGN_MASK: Final = 3
_TAG_SHIFT: Final = 3
_NEGATIVE: Final = 2
_KEYS_PER_READ: Final = 256
_C_STRING_STEP: Final = 64
"""A C string is read in aligned pieces: a piece never reaches into a page that may not be there."""


class TypeFlag(enum.IntFlag):
    """``tp_flags`` (``Include/object.h``)."""

    INLINE_VALUES = 1 << 2
    """3.13+."""
    MANAGED_DICT = 1 << 4
    """3.11+."""
    LONG_SUBCLASS = 1 << 24
    BYTES_SUBCLASS = 1 << 27
    UNICODE_SUBCLASS = 1 << 28
    DICT_SUBCLASS = 1 << 29


class KeysKind(enum.IntEnum):
    """``dk_kind`` of ``PyDictKeysObject``."""

    GENERAL = 0
    """Entries of hash, key, value."""
    UNICODE = 1
    """Entries of key, value: all keys are exact strings."""
    SPLIT = 2
    """As UNICODE, with the values elsewhere, one array for each instance."""


@dataclass(frozen=True, slots=True)
class DictKeys:
    """The keys of a dict: addresses in the order of their entries, 0 where an entry was deleted."""

    kind: KeysKind
    keys: tuple[int, ...]
    values: tuple[int, ...]
    """Of the entries; meaningless where ``kind`` is SPLIT."""


def type_address(memory: RemoteMemory, layout: Layout, address: int) -> int:
    """Return the address of the type of the object at ``address``."""
    return _word(memory, address + layout.objects.ob_type)


def type_name(memory: RemoteMemory, layout: Layout, address: int) -> str:
    """Return ``tp_name`` of the object's type: dotted for a static type, the bare name for a class."""
    name = _word(memory, type_address(memory, layout, address) + layout.objects.type_name)
    data = b""
    while b"\0" not in data and len(data) < _MAX_TYPE_NAME_BYTES:
        step = _C_STRING_STEP - (name + len(data)) % _C_STRING_STEP
        data += memory.read(name + len(data), step)
    return data.partition(b"\0")[0][:_MAX_TYPE_NAME_BYTES].decode("utf-8", "replace")


def read_str(memory: RemoteMemory, layout: Layout, address: int, max_chars: int = MAX_CHARS) -> str:
    """Return the text of a str; behind ``max_chars`` it is cut, and an ellipsis says so. Lone surrogates are kept."""
    _expect(memory, layout, address, TypeFlag.UNICODE_SUBCLASS, "a str")
    fields = layout.objects
    header = memory.read(address, fields.unicode_ascii_data)
    state = int.from_bytes(header[fields.unicode_state : fields.unicode_state + 4], "little")
    if state >> fields.unicode_kind_shift + 3 & 1:
        extent = string_extent(layout, address, header, max_chars)
        return extent.decode(memory.read(extent.address, extent.size))
    # An instance of a subclass is not compact: the same fields, and behind them a pointer to the data.
    kind = state >> fields.unicode_kind_shift & 7
    length = int.from_bytes(header[fields.unicode_length : fields.unicode_length + _WORD_BYTES], "little")
    if kind not in (1, 2, 4):
        raise CorruptTarget("what should be a string is none")
    data = _word(memory, address + fields.unicode_compact_data)
    extent = StringExtent(data, min(length, max_chars) * kind, kind, truncated=length > max_chars)
    return extent.decode(memory.read(extent.address, extent.size))


def read_bytes(memory: RemoteMemory, layout: Layout, address: int, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the first ``max_bytes`` of a bytes object."""
    _expect(memory, layout, address, TypeFlag.BYTES_SUBCLASS, "a bytes object")
    size = _signed_word(memory, address + layout.objects.bytes_size)
    if size < 0:
        raise CorruptTarget("a bytes object has a negative size")
    return memory.read(address + layout.objects.bytes_data, min(size, max_bytes))


def read_int(memory: RemoteMemory, layout: Layout, address: int, max_digits: int = MAX_DIGITS) -> int:
    """Return the value of an int; one of more than ``max_digits`` 30-bit digits is a CorruptTarget."""
    _expect(memory, layout, address, TypeFlag.LONG_SUBCLASS, "an int")
    if layout.objects.long_has_tag:
        tag = _word(memory, address + layout.objects.long_tag)
        count, sign = tag >> _TAG_SHIFT, tag & _SIGN_MASK
        negative = sign == _NEGATIVE
    else:
        size = _signed_word(memory, address + layout.objects.long_tag)
        count, negative = abs(size), size < 0
    if count > max_digits:
        raise CorruptTarget(f"an int has {count} digits of {_DIGIT_BITS} bits")
    digits: tuple[int, ...] = struct.unpack(f"<{count}I", memory.read(address + layout.objects.long_digits, 4 * count))
    value = sum(digit << _DIGIT_BITS * position for position, digit in enumerate(digits))
    return -value if negative else value


def dict_items(memory: RemoteMemory, layout: Layout, address: int, max_items: int = MAX_ITEMS) -> list[tuple[int, int]]:
    """Return the addresses of (key, value) of at most ``max_items`` items, in the order of the dict's entries."""
    _expect(memory, layout, address, TypeFlag.DICT_SUBCLASS, "a dict")
    keys_address = _word(memory, address + layout.objects.dict_keys)
    values_address = _word(memory, address + layout.objects.dict_values)
    found = _read_keys(memory, layout, keys_address, max_items)
    values: Sequence[int] = found.values
    if values_address:
        values = _split_values(memory, layout, values_address, found)
    return [(key, value) for key, value in zip(found.keys, values, strict=True) if key and value]


def dict_value(memory: RemoteMemory, layout: Layout, address: int, key: str, max_items: int = MAX_ITEMS) -> int | None:
    """Return the address of the value under a str key; None where there is none among the first ``max_items``."""
    items = dict_items(memory, layout, address, max_items)
    position = _find_key(memory, layout, [item[0] for item in items], key)
    return None if position is None else items[position][1]


def instance_attribute(memory: RemoteMemory, layout: Layout, address: int, name: str) -> int | None:
    """Return the address of what the instance itself holds under ``name``; None where it holds no such attribute.

    Looks where ``vars()`` would: inline values, managed dict, ``__dict__``. Slots are not read, nor is the ``__dict__``
    behind the items of a variable-sized object (an instance of a subclass of int or tuple).
    """
    fields = layout.objects
    kind = type_address(memory, layout, address)
    flags = _word(memory, kind + fields.type_flags)
    if not flags & TypeFlag.MANAGED_DICT:
        offset = _signed_word(memory, kind + fields.type_dictoffset)
        dictionary = _word(memory, address + offset) if offset > 0 else 0
        return dict_value(memory, layout, dictionary, name) if dictionary else None
    dictionary, values = _managed(memory, layout, address, kind, flags)
    if dictionary:
        return dict_value(memory, layout, dictionary, name)
    if not values:
        return None
    found = _read_keys(memory, layout, _word(memory, kind + fields.heap_type_cached_keys), _MAX_SPLIT_ITEMS)
    position = _find_key(memory, layout, found.keys, name)
    if position is None:
        return None
    return _split_values(memory, layout, values, found)[position] or None


def module_attribute(memory: RemoteMemory, layout: Layout, modules_address: int, module: str, name: str) -> int | None:
    """Return the address of a module's attribute; None where ``sys.modules`` holds no such module, or it no such name.

    ``modules_address`` is that of the interpreter's ``sys.modules``.
    """
    found = dict_value(memory, layout, modules_address, module)
    return None if found is None else instance_attribute(memory, layout, found, name)


def _managed(memory: RemoteMemory, layout: Layout, address: int, kind: int, flags: int) -> tuple[int, int]:
    """Return the addresses of the instance's dict and of its values; one of them, or both, are 0."""
    fields = layout.objects
    dictionary = _word(memory, address + fields.managed_dict_offset)
    if fields.instance_values is InstanceValues.TAGGED_DICT:
        return (0, dictionary + 1) if dictionary & 1 else (dictionary, 0)
    if dictionary:
        return dictionary, 0
    if fields.instance_values is InstanceValues.POINTER_BEFORE_DICT:
        return 0, _word(memory, address + fields.managed_dict_offset - _WORD_BYTES)
    if not flags & TypeFlag.INLINE_VALUES:
        return 0, 0
    values = address + _word(memory, kind + fields.type_basicsize)
    if fields.dict_values_valid is not None and not memory.read(values + fields.dict_values_valid, 1)[0]:
        return 0, 0
    return 0, values


def _read_keys(memory: RemoteMemory, layout: Layout, address: int, max_items: int) -> DictKeys:
    """Read ``PyDictKeysObject``, at most ``max_items`` entries of it."""
    fields = layout.objects
    header = memory.read(address, fields.keys_indices)
    log2_index_bytes, kind = header[fields.keys_log2_index_bytes], header[fields.keys_kind]
    count = int.from_bytes(header[fields.keys_nentries : fields.keys_nentries + _WORD_BYTES], "little", signed=True)
    if kind > KeysKind.SPLIT or log2_index_bytes > _MAX_LOG2_INDEX_BYTES or not 0 <= count <= 1 << log2_index_bytes:
        raise CorruptTarget("what should be the keys of a dict is none")
    width = 3 if kind == KeysKind.GENERAL else 2
    count = min(count, max_items)
    data = memory.read(address + fields.keys_indices + (1 << log2_index_bytes), count * width * _WORD_BYTES)
    words = struct.unpack(f"<{count * width}Q", data)
    return DictKeys(KeysKind(kind), words[width - 2 :: width], words[width - 1 :: width])


def _split_values(memory: RemoteMemory, layout: Layout, address: int, keys: DictKeys) -> tuple[int, ...]:
    """Read as many pointers of ``PyDictValues`` as there are keys; 0 where an instance lacks an attribute."""
    count = len(keys.keys)
    if keys.kind is not KeysKind.SPLIT or count > _MAX_SPLIT_ITEMS:
        raise CorruptTarget("a split dict has the keys of another")
    data = memory.read(address + layout.objects.dict_values_items, count * _WORD_BYTES)
    return struct.unpack(f"<{count}Q", data)


def _find_key(memory: RemoteMemory, layout: Layout, keys: Sequence[int], name: str) -> int | None:
    """Return the position of the str ``name`` in ``keys``; keys that are no compact str are passed over."""
    size = layout.objects.unicode_ascii_data
    length = struct.Struct("<Q")
    for start in range(0, len(keys), _KEYS_PER_READ):
        part = [(position, key) for position, key in enumerate(keys[start : start + _KEYS_PER_READ], start) if key]
        headers = memory.read_many([(key, size) for _, key in part])
        for (position, key), header in zip(part, headers, strict=True):
            if length.unpack_from(header, layout.objects.unicode_length)[0] != len(name):
                continue
            if _is_str(memory, layout, key, header, name):
                return position
    return None


def _is_str(memory: RemoteMemory, layout: Layout, address: int, header: bytes, text: str) -> bool:
    try:
        extent = string_extent(layout, address, header, len(text))
    except CorruptTarget:
        return False
    return extent.decode(memory.read(extent.address, extent.size)) == text


def _expect(memory: RemoteMemory, layout: Layout, address: int, flag: TypeFlag, what: str) -> None:
    flags = _word(memory, type_address(memory, layout, address) + layout.objects.type_flags)
    if not flags & flag:
        raise CorruptTarget(f"what should be {what} is none")


def _word(memory: RemoteMemory, address: int) -> int:
    return int.from_bytes(memory.read(address, _WORD_BYTES), "little")


def _signed_word(memory: RemoteMemory, address: int) -> int:
    return int.from_bytes(memory.read(address, _WORD_BYTES), "little", signed=True)
