"""Dicts of the target: ``PyDictObject`` and the ``PyDictKeysObject`` that it may share with others.

Mirrors ``Include/cpython/dictobject.h`` and ``Include/internal/pycore_dict.h``. Nothing recurses, and every count is
bounded before it is used. Raises :class:`~nbspy.errors.MemoryFault` and :class:`~nbspy.errors.CorruptTarget`.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nbspy.cpython.layout import Layout
from nbspy.cpython.objects import WORD_BYTES, TypeFlag, expect_type, read_word
from nbspy.cpython.strings import string_extent
from nbspy.errors import CorruptTarget
from nbspy.target.memory import RemoteMemory

MAX_ITEMS: Final = 1 << 16
MAX_SPLIT_ITEMS: Final = 255
"""``PyDictValues.capacity`` is a byte."""
_MAX_LOG2_INDEX_BYTES: Final = 40
_KEYS_PER_READ: Final = 256


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


def dict_items(memory: RemoteMemory, layout: Layout, address: int, max_items: int = MAX_ITEMS) -> list[tuple[int, int]]:
    """Return the addresses of (key, value) of at most ``max_items`` items, in the order of the dict's entries."""
    expect_type(memory, layout, address, TypeFlag.DICT_SUBCLASS, "a dict")
    keys_address = read_word(memory, address + layout.objects.dict_keys)
    values_address = read_word(memory, address + layout.objects.dict_values)
    found = read_keys(memory, layout, keys_address, max_items)
    values: Sequence[int] = found.values
    if values_address:
        values = split_values(memory, layout, values_address, found)
    return [(key, value) for key, value in zip(found.keys, values, strict=True) if key and value]


def dict_value(memory: RemoteMemory, layout: Layout, address: int, key: str, max_items: int = MAX_ITEMS) -> int | None:
    """Return the address of the value under a str key; None where there is none among the first ``max_items``."""
    items = dict_items(memory, layout, address, max_items)
    position = find_key(memory, layout, [item[0] for item in items], key)
    return None if position is None else items[position][1]


def read_keys(memory: RemoteMemory, layout: Layout, address: int, max_items: int) -> DictKeys:
    """Read ``PyDictKeysObject``, at most ``max_items`` entries of it."""
    fields = layout.objects
    header = memory.read(address, fields.keys_indices)
    log2_index_bytes, kind = header[fields.keys_log2_index_bytes], header[fields.keys_kind]
    count = int.from_bytes(header[fields.keys_nentries : fields.keys_nentries + WORD_BYTES], "little", signed=True)
    if kind > KeysKind.SPLIT or log2_index_bytes > _MAX_LOG2_INDEX_BYTES or not 0 <= count <= 1 << log2_index_bytes:
        raise CorruptTarget("what should be the keys of a dict is none")
    width = 3 if kind == KeysKind.GENERAL else 2
    count = min(count, max_items)
    data = memory.read(address + fields.keys_indices + (1 << log2_index_bytes), count * width * WORD_BYTES)
    words = struct.unpack(f"<{count * width}Q", data)
    return DictKeys(KeysKind(kind), words[width - 2 :: width], words[width - 1 :: width])


def split_values(memory: RemoteMemory, layout: Layout, address: int, keys: DictKeys) -> tuple[int, ...]:
    """Read as many pointers of ``PyDictValues`` as there are keys; 0 where an instance lacks an attribute."""
    count = len(keys.keys)
    if keys.kind is not KeysKind.SPLIT or count > MAX_SPLIT_ITEMS:
        raise CorruptTarget("a split dict has the keys of another")
    data = memory.read(address + layout.objects.dict_values_items, count * WORD_BYTES)
    return struct.unpack(f"<{count}Q", data)


def split_items(memory: RemoteMemory, layout: Layout, address: int, keys: DictKeys) -> list[tuple[int, int]]:
    """Return the addresses of (key, value) of the ``PyDictValues`` at ``address``."""
    values = split_values(memory, layout, address, keys)
    return [(key, value) for key, value in zip(keys.keys, values, strict=True) if key and value]


def find_key(memory: RemoteMemory, layout: Layout, keys: Sequence[int], name: str) -> int | None:
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
