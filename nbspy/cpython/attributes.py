"""Attributes of instances and modules of the target: where ``vars()`` would look.

Mirrors ``Include/internal/pycore_object.h`` and ``pycore_dict.h``: inline values, managed dicts, ``__dict__`` pointers.
Raises :class:`~nbspy.errors.MemoryFault` and :class:`~nbspy.errors.CorruptTarget`.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from nbspy.cpython.dicts import (
    MAX_SPLIT_ITEMS,
    dict_items,
    dict_value,
    find_key,
    read_keys,
    split_items,
    split_values,
)
from nbspy.cpython.layout import InstanceValues, Layout
from nbspy.cpython.objects import WORD_BYTES, TypeFlag, read_c_string, read_signed, read_word, read_words, type_address
from nbspy.target.memory import RemoteMemory

MAX_SLOTS: Final = 256
_MEMBER: Final = struct.Struct("<QqqqQ")
"""``PyMemberDef``: name, type (an int, then padding), offset, flags, documentation."""
_OBJECT_MEMBERS: Final = (6, 16)
"""``Py_T_OBJECT``, ``Py_T_OBJECT_EX`` (``Include/descrobject.h``)."""
_MAX_BASICSIZE: Final = 1 << 20
_MAX_NAME_BYTES: Final = 256


def instance_attribute(memory: RemoteMemory, layout: Layout, address: int, name: str) -> int | None:
    """Return the address of what the instance itself holds under ``name``; None where it holds no such attribute.

    Looks where ``vars()`` would: inline values, managed dict, ``__dict__``. Slots are not read.
    """
    place = _place(memory, layout, address)
    if place.dictionary:
        return dict_value(memory, layout, place.dictionary, name)
    if not place.values:
        return None
    found = read_keys(memory, layout, place.keys, MAX_SPLIT_ITEMS)
    position = find_key(memory, layout, found.keys, name)
    if position is None:
        return None
    return split_values(memory, layout, place.values, found)[position] or None


def instance_attributes(memory: RemoteMemory, layout: Layout, address: int, max_items: int) -> list[tuple[int, int]]:
    """Return the addresses of name and value of at most ``max_items`` attributes that the instance itself holds."""
    place = _place(memory, layout, address)
    if place.dictionary:
        return dict_items(memory, layout, place.dictionary, max_items)
    if not place.values:
        return []
    return split_items(memory, layout, place.values, read_keys(memory, layout, place.keys, MAX_SPLIT_ITEMS))[:max_items]


def slot_attributes(memory: RemoteMemory, layout: Layout, address: int, kind: int) -> list[tuple[str, int]]:
    """Return name and address of what the instance holds in the ``__slots__`` of the class at ``kind``.

    Those of its base classes are not among them, nor are slots without a value.
    """
    found: list[tuple[str, int]] = []
    member = read_word(memory, kind + layout.objects.type_members)
    for _ in range(MAX_SLOTS if member else 0):
        name, code, offset, _, _ = _MEMBER.unpack(memory.read(member, _MEMBER.size))
        if not name:
            break
        if code & 0xFFFFFFFF in _OBJECT_MEMBERS and 0 < offset < _MAX_BASICSIZE:
            value = read_word(memory, address + offset)
            if value:
                found.append((read_c_string(memory, name, _MAX_NAME_BYTES), value))
        member += _MEMBER.size
    return found


def module_attribute(memory: RemoteMemory, layout: Layout, modules_address: int, module: str, name: str) -> int | None:
    """Return the address of a module's attribute; None where ``sys.modules`` holds no such module, or it no such name.

    ``modules_address`` is that of the interpreter's ``sys.modules``.
    """
    found = dict_value(memory, layout, modules_address, module)
    return None if found is None else instance_attribute(memory, layout, found, name)


class _Place(msgspec.Struct, frozen=True):
    """Where an instance keeps its attributes: in a dict, or in values whose keys lie elsewhere; else all are 0."""

    dictionary: int = 0
    values: int = 0
    keys: int = 0


def _place(memory: RemoteMemory, layout: Layout, address: int) -> _Place:
    fields = layout.objects
    kind = type_address(memory, layout, address)
    flags = read_word(memory, kind + fields.type_flags)
    if fields.managed_dict_offset is not None and flags & TypeFlag.MANAGED_DICT:
        dictionary, values = _managed(memory, layout, address, fields.managed_dict_offset, kind, flags)
        if not values or fields.heap_type_cached_keys is None:
            return _Place(dictionary)
        return _Place(dictionary, values, read_word(memory, kind + fields.heap_type_cached_keys))
    offset = read_signed(memory, kind + fields.type_dictoffset)
    if offset < 0:
        # Behind the items of a variable-sized object, of which an int's sign is no part.
        items = abs(read_signed(memory, address + fields.tuple_size))
        basicsize, itemsize = read_words(memory, kind + fields.type_basicsize, 2)
        offset += -(-(basicsize + items * itemsize) // WORD_BYTES) * WORD_BYTES
    return _Place(read_word(memory, address + offset)) if offset > 0 else _Place()


def _managed(memory: RemoteMemory, layout: Layout, address: int, offset: int, kind: int, flags: int) -> tuple[int, int]:
    """Return the addresses of the instance's dict and of its values; one of them, or both, are 0."""
    fields = layout.objects
    dictionary = read_word(memory, address + offset)
    if fields.instance_values is InstanceValues.TAGGED_DICT:
        return (0, dictionary + 1) if dictionary & 1 else (dictionary, 0)
    if dictionary:
        return dictionary, 0
    if fields.instance_values is InstanceValues.POINTER_BEFORE_DICT:
        return 0, read_word(memory, address + offset - WORD_BYTES)
    if not flags & TypeFlag.INLINE_VALUES:
        return 0, 0
    values = address + read_word(memory, kind + fields.type_basicsize)
    if fields.dict_values_valid is not None and not memory.read(values + fields.dict_values_valid, 1)[0]:
        return 0, 0
    return 0, values
