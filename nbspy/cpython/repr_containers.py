"""Reprs of the built-in containers, in the order in which they keep their items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from nbspy.cpython.dicts import dict_items, dict_length
from nbspy.cpython.objects import TypeFlag, expect_type, read_signed, read_str, read_word, read_words
from nbspy.cpython.remote_types import RemoteType
from nbspy.cpython.repr_writer import Formatter, ReprWriter
from nbspy.errors import CorruptTarget

_WORDS_PER_READ: Final = 256
_DICT_STEPS: Final = (64, 1 << 10, 1 << 14, 1 << 18)
"""How many entries of a dict are read: no more than are likely to be shown."""
_MAX_SLOTS: Final = 1 << 18
"""Slots of a set's table that are looked at, used or not."""
_DUMMY_HASH: Final = (1 << 64) - 1
"""Of a deleted entry (``_PySet_Dummy``): no object's hash is -1."""


def write_tuple(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``tuple_repr``."""
    expect_type(writer.memory, writer.layout, address, TypeFlag.TUPLE_SUBCLASS, "a tuple")
    with writer.entered(address, "(...)") as first:
        if first:
            writer.add("(")
            count = writer.values(tuple_addresses(writer, address))
            writer.add(",)" if count == 1 else ")")


def tuple_addresses(writer: ReprWriter, address: int) -> Iterator[int]:
    """Yield the addresses of a tuple's items, read as they are wanted."""
    fields = writer.layout.objects
    count = read_signed(writer.memory, address + fields.tuple_size)
    return _pointers(writer, address + fields.tuple_items, count)


def write_list(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``list_repr``."""
    expect_type(writer.memory, writer.layout, address, TypeFlag.LIST_SUBCLASS, "a list")
    with writer.entered(address, "[...]") as first:
        if first:
            writer.add("[")
            writer.values(list_addresses(writer, address))
            writer.add("]")


def list_addresses(writer: ReprWriter, address: int) -> Iterator[int]:
    """Yield the addresses of a list's items, read as they are wanted."""
    fields = writer.layout.objects
    count = read_signed(writer.memory, address + fields.list_size)
    items = read_word(writer.memory, address + fields.list_items) if count else 0
    return _pointers(writer, items, count)


def _pointers(writer: ReprWriter, start: int, count: int) -> Iterator[int]:
    if count < 0:
        raise CorruptTarget("a container has a negative size")
    for position in range(0, count, _WORDS_PER_READ):
        yield from read_words(writer.memory, start + 8 * position, min(_WORDS_PER_READ, count - position))


def write_dict(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``dict_repr``."""
    with writer.entered(address, "{...}") as first:
        if first:
            writer.add("{")
            for position, (key, value) in enumerate(dict_addresses(writer, address)):
                writer.add(", " if position else "")
                writer.value(key)
                writer.add(": ")
                writer.value(value)
            writer.add("}")


def dict_addresses(writer: ReprWriter, address: int) -> Iterator[tuple[int, int]]:
    """Yield the addresses of a dict's keys and values, read as they are wanted."""
    used = dict_length(writer.memory, writer.layout, address)
    done = 0
    for entries in _DICT_STEPS:
        items = dict_items(writer.memory, writer.layout, address, entries)
        yield from items[done:]
        done = len(items)
        if done >= used:
            return
    writer.cut()


def write_set(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``set_repr``: also that of a frozenset and of subclasses."""
    with writer.entered(address, f"{kind.short_name}(...)") as first:
        if not first:
            return
        plain, named = writer.style.set_brackets, writer.style.items_brackets
        opening, closing = plain if kind.name == "set" else (f"{kind.short_name}{named[0]}", named[1])
        if not read_word(writer.memory, address + writer.layout.objects.set_used):
            writer.add(kind.short_name + writer.style.empty_set)
            return
        writer.add(opening)
        writer.values(set_addresses(writer, address))
        writer.add(closing)


def set_addresses(writer: ReprWriter, address: int) -> Iterator[int]:
    """Yield the addresses of a set's items, in the order of its table."""
    fields = writer.layout.objects
    used, mask, table = (
        read_word(writer.memory, address + offset) for offset in (fields.set_used, fields.set_mask, fields.set_table)
    )
    if mask & mask + 1 or used > mask + 1:
        raise CorruptTarget("what should be a set is none")
    found, key_word = 0, fields.set_entry_key // 8
    dummy = writer.style.deleted_item
    for position in range(0, min(mask + 1, _MAX_SLOTS), _WORDS_PER_READ):
        words = read_words(writer.memory, table + 16 * position, 2 * min(_WORDS_PER_READ, mask + 1 - position))
        for key, key_hash in zip(words[key_word::2], words[1 - key_word :: 2], strict=True):
            if key and key_hash != _DUMMY_HASH and not (dummy and _is_text(writer, key, dummy)):
                yield key
                found += 1
                if found == used:
                    return
    writer.cut()


def _is_text(writer: ReprWriter, address: int, text: str) -> bool:
    return writer.types.of(address).name == "str" and read_str(writer.memory, writer.layout, address) == text


def _view(item: str) -> Formatter:
    """``dictview_repr``: ``_PyDictViewObject`` is the dict."""

    def write(writer: ReprWriter, address: int, kind: RemoteType) -> None:
        with writer.entered(address, "...") as first:
            if not first:
                return
            writer.add(f"{kind.short_name}([")
            (owner,) = writer.own_words(address, 1)
            for position, (key, value) in enumerate(dict_addresses(writer, owner)):
                writer.add(", " if position else "")
                if item == "items":
                    writer.add("(")
                    writer.values((key, value))
                    writer.add(")")
                else:
                    writer.value(key if item == "keys" else value)
            writer.add("])")

    return write


def write_mappingproxy(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``mappingproxy_repr``: ``mappingproxyobject`` is the mapping."""
    writer.add("mappingproxy(")
    writer.values(writer.own_words(address, 1))
    writer.add(")")


FORMATS: Final[Mapping[str, Formatter]] = {
    "tuple": write_tuple,
    "list": write_list,
    "dict": write_dict,
    "set": write_set,
    "frozenset": write_set,
    "dict_keys": _view("keys"),
    "dict_values": _view("values"),
    "dict_items": _view("items"),
    "mappingproxy": write_mappingproxy,
}
