"""Python objects as bytes, laid out as a :class:`~nbspy.cpython.layout.Layout` says: a heap without a target."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from nbspy.cpython.dicts import KeysKind
from nbspy.cpython.layout import InstanceValues, Layout
from nbspy.cpython.objects import TypeFlag
from nbspy.cpython.page_cache import PAGE_SIZE

from .fake_memory import FakeMemory

_START = 0x10000
_TYPE_SIZE = 1024
_HEADER_SIZE = 128
"""More than any fixed part of an object."""


class Heap:
    """Objects one after the other, from :data:`_START` on."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.data = bytearray()
        self._reprs = 0x7000
        self.type_type = self.object_type = 0
        self.type_type = self.type_object(b"type", TypeFlag.TYPE_SUBCLASS)
        self.write(self.type_type + layout.objects.ob_type, self.type_type)
        self.object_type = self.type_object(b"object", 0)
        self.none = self.of_type(b"NoneType")
        self.list_type = self.type_object(b"list", TypeFlag.LIST_SUBCLASS)
        self.tuple_type = self.type_object(b"tuple", TypeFlag.TUPLE_SUBCLASS)
        self.set_type = self.type_object(b"set", 0)
        self.float_type = self.type_object(b"float", 0)
        self.str_type = self.type_object(b"str", TypeFlag.UNICODE_SUBCLASS)
        self.int_type = self.type_object(b"int", TypeFlag.LONG_SUBCLASS)
        self.bytes_type = self.type_object(b"bytes", TypeFlag.BYTES_SUBCLASS)
        self.dict_type = self.type_object(b"dict", TypeFlag.DICT_SUBCLASS)

    def memory(self) -> FakeMemory:
        """All objects, in whole pages as a process has them."""
        return FakeMemory({_START: bytes(self.data) + bytes(-len(self.data) % PAGE_SIZE)})

    def add(self, data: bytes, before: int = 0) -> int:
        """Append bytes and return the address of the one at ``before``."""
        self.data += b"\0" * (-len(self.data) % 16)
        address = _START + len(self.data)
        self.data += data
        return address + before

    def write(self, address: int, word: int) -> None:
        struct.pack_into("<Q", self.data, address - _START, word)

    def type_object(
        self, name: bytes, flags: int, *, dictoffset: int = 0, basicsize: int = 16, keys: int = 0, base: int = 0
    ) -> int:
        """A type; each has a repr of its own, unless it is a class: that has the repr of its base."""
        fields = self.layout.objects
        self._reprs += 16
        slot = self.word(base + fields.type_repr) if flags & TypeFlag.HEAP_TYPE and base else self._reprs
        words = {
            fields.ob_type: self.type_type,
            fields.type_repr: slot,
            fields.type_base: base or (self.object_type if self.type_type else 0),
            fields.type_name: self.add(name + b"\0"),
            fields.type_flags: flags,
            fields.type_basicsize: basicsize,
            fields.type_dictoffset: dictoffset,
            fields.heap_type_cached_keys: keys,
        }
        return self.add(_packed(_TYPE_SIZE, words))

    def word(self, address: int) -> int:
        found: int = struct.unpack_from("<Q", self.data, address - _START)[0]
        return found

    def of_type(self, name: bytes) -> int:
        """An object of a new type, without fields."""
        return self.add(_packed(_HEADER_SIZE, {self.layout.objects.ob_type: self.type_object(name, 0)}))

    def real(self, value: float) -> int:
        fields = self.layout.objects
        data = bytearray(_packed(_HEADER_SIZE, {fields.ob_type: self.float_type}))
        struct.pack_into("<d", data, fields.float_value, value)
        return self.add(bytes(data))

    def sequence(self, items: Sequence[int], kind: int | None = None) -> int:
        """A tuple."""
        fields = self.layout.objects
        header = _packed(fields.tuple_items, {fields.ob_type: kind or self.tuple_type, fields.tuple_size: len(items)})
        return self.add(header + struct.pack(f"<{len(items)}Q", *items))

    def listing(self, items: Sequence[int], kind: int | None = None) -> int:
        """A list; with what :meth:`put` writes, also one that holds itself."""
        fields = self.layout.objects
        array = self.add(struct.pack(f"<{len(items)}Q", *items))
        words = {fields.ob_type: kind or self.list_type, fields.list_size: len(items), fields.list_items: array}
        return self.add(_packed(_HEADER_SIZE, words))

    def put(self, listing: int, place: int, item: int) -> None:
        """Replace an item of a list."""
        self.write(self.word(listing + self.layout.objects.list_items) + 8 * place, item)

    def hashed(self, items: Sequence[int]) -> int:
        """A set, its items in this order, with a deleted one before each."""
        fields = self.layout.objects
        slots = max(8, 1 << (2 * len(items)).bit_length())
        table = bytearray(16 * slots)
        for place, item in enumerate(items):
            struct.pack_into("<4Q", table, 32 * place, 0xDEAD, (1 << 64) - 1, item, 7)
        words = {
            fields.ob_type: self.set_type,
            fields.set_used: len(items),
            fields.set_mask: slots - 1,
            fields.set_table: self.add(bytes(table)),
        }
        return self.add(_packed(_HEADER_SIZE, words))

    def text(self, text: str) -> int:
        fields = self.layout.objects
        highest = max(map(ord, text), default=0)
        kind = 1 if highest < 0x100 else 2 if highest < 0x10000 else 4
        ascii_only = highest < 0x80
        data = b"".join(ord(char).to_bytes(kind, "little") for char in text)
        state = (kind | 8 | (16 if ascii_only else 0)) << fields.unicode_kind_shift | 1
        header = _packed(
            fields.unicode_ascii_data if ascii_only else fields.unicode_compact_data,
            {fields.ob_type: self.str_type, fields.unicode_length: len(text), fields.unicode_state: state},
        )
        return self.add(header + data + bytes(kind))

    def integer(self, value: int) -> int:
        fields = self.layout.objects
        digits = []
        left = abs(value)
        while left:
            digits.append(left & (1 << 30) - 1)
            left >>= 30
        if fields.long_has_tag:
            tag = len(digits) << 3 | (2 if value < 0 else 0 if value else 1)
        else:
            tag = -len(digits) if value < 0 else len(digits)
        header = _packed(fields.long_digits, {fields.ob_type: self.int_type, fields.long_tag: tag})
        return self.add(header + struct.pack(f"<{len(digits)}I", *digits))

    def byte_string(self, data: bytes) -> int:
        fields = self.layout.objects
        return self.add(
            _packed(fields.bytes_data, {fields.ob_type: self.bytes_type, fields.bytes_size: len(data)}) + data + b"\0"
        )

    def keys(self, entries: Sequence[tuple[int, int]], kind: KeysKind) -> int:
        fields = self.layout.objects
        log2_index_bytes = max(3, (2 * len(entries)).bit_length())
        header = bytearray(_packed(fields.keys_indices, {fields.keys_nentries: len(entries)}))
        header[fields.keys_log2_index_bytes] = log2_index_bytes
        header[fields.keys_kind] = kind
        rows = [(0, *entry) if kind is KeysKind.GENERAL else entry for entry in entries]
        data = b"".join(struct.pack(f"<{len(row)}Q", *row) for row in rows)
        return self.add(bytes(header) + b"\xff" * (1 << log2_index_bytes) + data)

    def dictionary(self, entries: Sequence[tuple[int, int]], kind: KeysKind = KeysKind.UNICODE, values: int = 0) -> int:
        fields = self.layout.objects
        assert fields.dict_keys is not None
        assert fields.dict_values is not None
        words = {
            fields.ob_type: self.dict_type,
            fields.dict_used: sum(1 for key, value in entries if key and value),
            fields.dict_keys: self.keys(entries, kind),
            fields.dict_values: values,
        }
        return self.add(_packed(_HEADER_SIZE, words))

    def attributes(self, values: dict[str, int]) -> int:
        """A dict of text to addresses."""
        return self.dictionary([(self.text(name), value) for name, value in values.items()])

    def with_dict(self, values: dict[str, int]) -> int:
        """An instance with a ``__dict__`` pointer of its own, as modules are."""
        kind = self.type_object(b"module", 0, dictoffset=32)
        return self.add(_packed(64, {self.layout.objects.ob_type: kind, 32: self.attributes(values)}))

    def instance(self, values: dict[str, int], *, materialised: bool = False) -> int:
        """An instance of a plain class: its values inline, or in a managed dict."""
        fields = self.layout.objects
        keys = self.keys([(self.text(name), 0) for name in values], KeysKind.SPLIT)
        basicsize = 48
        kind = self.type_object(
            b"Plain", TypeFlag.MANAGED_DICT | TypeFlag.INLINE_VALUES, basicsize=basicsize, keys=keys
        )
        array, values_at = self._values(list(values.values()))
        before = 64
        words = {before + fields.ob_type: kind}
        behind = b""
        if materialised:
            words[before + fields.managed_dict_offset] = self.attributes(values)
        elif fields.instance_values is InstanceValues.POINTER_BEFORE_DICT:
            words[before + fields.managed_dict_offset - 8] = self.add(array, values_at)
        elif fields.instance_values is InstanceValues.TAGGED_DICT:
            words[before + fields.managed_dict_offset] = self.add(array, values_at) - 1
        else:
            assert fields.dict_values_valid is not None
            behind = array[: fields.dict_values_valid] + b"\1" + array[fields.dict_values_valid + 1 :]
        return self.add(_packed(before + basicsize, words) + behind, before)

    def _values(self, values: list[int]) -> tuple[bytes, int]:
        """``PyDictValues`` of these values, set in this order, and where in it the struct begins."""
        fields = self.layout.objects
        assert fields.dict_values_used is not None
        pointers = struct.pack(f"<{len(values)}Q", *values)
        order = bytes(range(len(values)))
        if fields.dict_values_order is not None:
            prefix = bytearray(32)
            prefix[fields.dict_values_used] = len(values)
            for place in order:
                prefix[fields.dict_values_order - place] = place
            return bytes(prefix) + pointers, len(prefix)
        header = bytearray(fields.dict_values_items)
        header[0] = header[fields.dict_values_used] = len(values)
        return bytes(header) + pointers + order, 0


def _packed(size: int, words: dict[int, int]) -> bytes:
    data = bytearray(size)
    for offset, word in words.items():
        struct.pack_into("<Q", data, offset, word & (1 << 64) - 1)
    return bytes(data)
