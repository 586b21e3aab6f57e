"""Dicts of the target: ``PyDictObject`` and the ``PyDictKeysObject`` that it may share with others.

Mirrors ``Include/cpython/dictobject.h`` and ``Include/internal/pycore_dict.h``. Nothing recurses, and every count is
bounded before it is used. Raises :class:`~nbspy.errors.MemoryFault` and :class:`~nbspy.errors.CorruptTarget`.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

import msgspec

from nbspy.cpython.layout import Layout
from nbspy.cpython.objects import WORD_BYTES, TypeFlag, expect_type, read_word, read_words
from nbspy.cpython.strings import string_extent, string_header_size
from nbspy.cpython.thread_state import word
from nbspy.errors import CorruptTarget
from nbspy.target.memory import RemoteMemory

MAX_ITEMS: Final = 1 << 16
MAX_SPLIT_ITEMS: Final = 255
"""``PyDictValues.capacity`` is a byte."""
_MAX_LOG2_INDEX_BYTES: Final = 40
_KEYS_PER_READ: Final = 256
_INDEX_WIDTHS: Final = ((1, 0xFF), (2, 0xFFFF), (4, 0xFFFFFFFF), (8, 1 << 64))
"""Bytes of an index, and the most slots it is taken for."""


class KeysKind(enum.IntEnum):
    """``dk_kind`` of ``PyDictKeysObject``."""

    GENERAL = 0
    """Entries of hash, key, value."""
    UNICODE = 1
    """Entries of key, value: all keys are exact strings."""
    SPLIT = 2
    """As UNICODE, with the values elsewhere, one array for each instance."""


class DictKeys(msgspec.Struct, frozen=True):
    """The keys of a dict: addresses in the order of their entries, 0 where an entry was deleted."""

    kind: KeysKind
    keys: tuple[int, ...]
    values: tuple[int, ...]
    """Of the entries; meaningless where ``kind`` is SPLIT."""


def dict_items(memory: RemoteMemory, layout: Layout, address: int, max_items: int = MAX_ITEMS) -> list[tuple[int, int]]:
    """Return the addresses of (key, value) of at most ``max_items`` items, in the order in which the dict gives them.

    Deleted entries, and before 3.6 empty ones, count as items here.
    """
    expect_type(memory, layout, address, TypeFlag.DICT_SUBCLASS, "a dict")
    fields = layout.objects
    if fields.dict_table is not None and fields.dict_mask is not None:
        table, mask = (read_word(memory, address + field) for field in (fields.dict_table, fields.dict_mask))
        return _table_items(memory, table, mask, max_items)
    if fields.dict_keys is None or fields.dict_values is None:
        raise CorruptTarget("the layout of a dict is not known")
    keys, values = (read_word(memory, address + field) for field in (fields.dict_keys, fields.dict_values))
    found = read_keys(memory, layout, keys, max_items)
    if values:
        return split_items(memory, layout, values, found)
    return [(key, value) for key, value in zip(found.keys, found.values, strict=True) if key and value]


def dict_length(memory: RemoteMemory, layout: Layout, address: int) -> int:
    """Return how many items a dict has."""
    return read_word(memory, address + layout.objects.dict_used)


def _table_items(memory: RemoteMemory, table: int, mask: int, max_items: int) -> list[tuple[int, int]]:
    """Return the items of a 2.7 dict: a table of slots (``PyDictEntry``) of hash, key and value."""
    if mask & mask + 1:
        raise CorruptTarget("what should be a dict is none")
    words = read_words(memory, table, 3 * min(mask + 1, max_items))
    # What was deleted has a key, the same for all, and no value.
    return [(key, value) for key, value in zip(words[1::3], words[2::3], strict=True) if key and value]


def dict_value(memory: RemoteMemory, layout: Layout, address: int, key: str, max_items: int = MAX_ITEMS) -> int | None:
    """Return the address of the value under a str key; None where there is none among the first ``max_items``."""
    items = dict_items(memory, layout, address, max_items)
    position = find_key(memory, layout, [item[0] for item in items], key)
    return None if position is None else items[position][1]


def read_keys(memory: RemoteMemory, layout: Layout, address: int, max_items: int) -> DictKeys:
    """Read ``PyDictKeysObject``, at most ``max_items`` entries of it."""
    fields = layout.objects
    if fields.keys_indices is None or fields.keys_nentries is None:
        raise CorruptTarget("the layout of a dict's keys is not known")
    header = memory.read(address, fields.keys_indices)
    kind = KeysKind.GENERAL if fields.keys_kind is None else header[fields.keys_kind]
    count = int.from_bytes(header[fields.keys_nentries : fields.keys_nentries + WORD_BYTES], "little", signed=True)
    index_bytes = _index_bytes(layout, header)
    if kind > KeysKind.SPLIT or not 0 <= count <= index_bytes:
        raise CorruptTarget("what should be the keys of a dict is none")
    width = 3 if kind == KeysKind.GENERAL else 2
    count = min(count, max_items)
    words = read_words(memory, address + fields.keys_indices + index_bytes, count * width)
    return DictKeys(KeysKind(kind), words[width - 2 :: width], words[width - 1 :: width])


def _index_bytes(layout: Layout, header: bytes) -> int:
    """Return how many bytes the indices take that lie before the entries."""
    fields = layout.objects
    if fields.keys_log2_index_bytes is not None:
        log2_index_bytes = header[fields.keys_log2_index_bytes]
        if log2_index_bytes > _MAX_LOG2_INDEX_BYTES:
            raise CorruptTarget("what should be the keys of a dict is none")
        return 1 << log2_index_bytes
    if fields.keys_size is None:
        raise CorruptTarget("the layout of a dict's keys is not known")
    size = int.from_bytes(header[fields.keys_size : fields.keys_size + WORD_BYTES], "little")
    if size & size - 1 or size > 1 << _MAX_LOG2_INDEX_BYTES:
        raise CorruptTarget("what should be the keys of a dict is none")
    # DK_IXSIZE: an index is as wide as it takes to count the slots.
    return size * next(width for width, limit in _INDEX_WIDTHS if size <= limit)


def split_items(memory: RemoteMemory, layout: Layout, address: int, keys: DictKeys) -> list[tuple[int, int]]:
    """Return the addresses of (key, value) in the ``PyDictValues`` at ``address``, in the order they were set in."""
    values = split_values(memory, layout, address, keys)
    order = _insertion_order(memory, layout, address, len(values))
    return [(keys.keys[place], values[place]) for place in order if keys.keys[place] and values[place]]


def split_values(memory: RemoteMemory, layout: Layout, address: int, keys: DictKeys) -> tuple[int, ...]:
    """Return as many pointers of ``PyDictValues`` as there are keys; 0 where an instance lacks an attribute."""
    count = len(keys.keys)
    # Before 3.11 keys do not tell, and are as many as there may be.
    told = layout.objects.keys_kind is not None
    if told and (keys.kind is not KeysKind.SPLIT or count > MAX_SPLIT_ITEMS):
        raise CorruptTarget("a split dict has the keys of another")
    return read_words(memory, address + layout.objects.dict_values_items, count)


def _insertion_order(memory: RemoteMemory, layout: Layout, address: int, count: int) -> Sequence[int]:
    """Return the places of the values that are set, those set first first."""
    fields = layout.objects
    if fields.dict_values_used is None:
        return range(count)
    used = min(memory.read(address + fields.dict_values_used, 1)[0], count)
    if fields.dict_values_order is not None:
        order = memory.read(address + fields.dict_values_order - used + 1, used)[::-1] if used else b""
    else:
        capacity = memory.read(address, 1)[0]
        order = memory.read(address + fields.dict_values_items + capacity * WORD_BYTES, used) if used else b""
    return [place for place in order if place < count]


def find_key(memory: RemoteMemory, layout: Layout, keys: Sequence[int], name: str) -> int | None:
    """Return the position of the str ``name`` in ``keys``; keys that are no compact str are passed over."""
    size = string_header_size(layout)
    fields = layout.objects
    length_at = fields.bytes_size if fields.text_is_bytes else fields.unicode_length
    length = len(name.encode("utf-8", "surrogateescape")) if fields.text_is_bytes else len(name)
    for start in range(0, len(keys), _KEYS_PER_READ):
        part = [(position, key) for position, key in enumerate(keys[start : start + _KEYS_PER_READ], start) if key]
        headers = memory.read_many([(key, size) for _, key in part])
        for (position, key), header in zip(part, headers, strict=True):
            if word(header, length_at) != length:
                continue
            if _is_str(memory, layout, key, header, name):
                return position
    return None


def _is_str(memory: RemoteMemory, layout: Layout, address: int, header: bytes, text: str) -> bool:
    try:
        # As bytes a text is up to four times as long.
        extent = string_extent(layout, address, header, 4 * len(text))
    except CorruptTarget:
        return False
    return extent.decode(memory.read(extent.address, extent.size)) == text
