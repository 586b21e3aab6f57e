"""Attributes of instances and modules of the target: where ``vars()`` would look.

Mirrors ``Include/internal/pycore_object.h`` and ``pycore_dict.h``: inline values, managed dicts, ``__dict__`` pointers.
Raises :class:`~nbspy.errors.MemoryFault` and :class:`~nbspy.errors.CorruptTarget`.
"""

from __future__ import annotations

from nbspy.cpython.dicts import MAX_SPLIT_ITEMS, dict_value, find_key, read_keys, split_values
from nbspy.cpython.layout import InstanceValues, Layout
from nbspy.cpython.objects import WORD_BYTES, TypeFlag, read_signed, read_word, type_address
from nbspy.target.memory import RemoteMemory


def instance_attribute(memory: RemoteMemory, layout: Layout, address: int, name: str) -> int | None:
    """Return the address of what the instance itself holds under ``name``; None where it holds no such attribute.

    Looks where ``vars()`` would: inline values, managed dict, ``__dict__``. Slots are not read, nor is the ``__dict__``
    behind the items of a variable-sized object (an instance of a subclass of int or tuple).
    """
    fields = layout.objects
    kind = type_address(memory, layout, address)
    flags = read_word(memory, kind + fields.type_flags)
    if not flags & TypeFlag.MANAGED_DICT:
        offset = read_signed(memory, kind + fields.type_dictoffset)
        dictionary = read_word(memory, address + offset) if offset > 0 else 0
        return dict_value(memory, layout, dictionary, name) if dictionary else None
    dictionary, values = _managed(memory, layout, address, kind, flags)
    if dictionary:
        return dict_value(memory, layout, dictionary, name)
    if not values:
        return None
    found = read_keys(memory, layout, read_word(memory, kind + fields.heap_type_cached_keys), MAX_SPLIT_ITEMS)
    position = find_key(memory, layout, found.keys, name)
    if position is None:
        return None
    return split_values(memory, layout, values, found)[position] or None


def module_attribute(memory: RemoteMemory, layout: Layout, modules_address: int, module: str, name: str) -> int | None:
    """Return the address of a module's attribute; None where ``sys.modules`` holds no such module, or it no such name.

    ``modules_address`` is that of the interpreter's ``sys.modules``.
    """
    found = dict_value(memory, layout, modules_address, module)
    return None if found is None else instance_attribute(memory, layout, found, name)


def _managed(memory: RemoteMemory, layout: Layout, address: int, kind: int, flags: int) -> tuple[int, int]:
    """Return the addresses of the instance's dict and of its values; one of them, or both, are 0."""
    fields = layout.objects
    dictionary = read_word(memory, address + fields.managed_dict_offset)
    if fields.instance_values is InstanceValues.TAGGED_DICT:
        return (0, dictionary + 1) if dictionary & 1 else (dictionary, 0)
    if dictionary:
        return dictionary, 0
    if fields.instance_values is InstanceValues.POINTER_BEFORE_DICT:
        return 0, read_word(memory, address + fields.managed_dict_offset - WORD_BYTES)
    if not flags & TypeFlag.INLINE_VALUES:
        return 0, 0
    values = address + read_word(memory, kind + fields.type_basicsize)
    if fields.dict_values_valid is not None and not memory.read(values + fields.dict_values_valid, 1)[0]:
        return 0, 0
    return 0, values
