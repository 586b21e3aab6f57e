"""``PyTypeObject``: what kind of object an address holds, its names and its ancestors.

What a type's own ``repr`` would say is told by the slot ``tp_repr``: a class that defines no ``__repr__`` has that of
the ancestor it inherits from. Which function a class defines is found in the dicts along its ``__mro__``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nbspy.cpython.dicts import dict_value
from nbspy.cpython.layout import Layout
from nbspy.cpython.objects import (
    TypeFlag,
    expect_type,
    read_c_string,
    read_str,
    read_word,
    tuple_items,
    type_address,
)
from nbspy.cpython.thread_state import word
from nbspy.errors import CorruptTarget
from nbspy.target.memory import RemoteMemory

MAX_ANCESTORS: Final = 64
_MAX_NAME_CHARS: Final = 256
_MAX_ATTRIBUTES: Final = 4096


@dataclass(frozen=True, slots=True)
class RemoteType:
    """One type of the target."""

    address: int
    name: str
    """``tp_name``: dotted for most types made in C, the bare name for a class."""
    flags: int
    base: int
    """Address of the ancestor whose struct it extends; 0 for ``object``."""
    repr_slot: int
    basicsize: int
    dictoffset: int

    @property
    def short_name(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def is_class(self) -> bool:
        """True for what a ``class`` statement (or C code, at run time) made; its name proves nothing."""
        return bool(self.flags & TypeFlag.HEAP_TYPE)


class RemoteTypes:
    """The types of one target, each read once: make a new one for each look."""

    def __init__(self, memory: RemoteMemory, layout: Layout) -> None:
        self.memory = memory
        self.layout = layout
        fields = layout.objects
        self._size = (
            max(fields.type_name, fields.type_repr, fields.type_flags, fields.type_base, fields.type_dictoffset) + 8
        )
        self._types: dict[int, RemoteType] = {}
        self._static: dict[int, RemoteType] = {}
        self._authors: dict[int, tuple[str, str] | None] = {}

    def of(self, address: int) -> RemoteType:
        """Return the type of the object at ``address``; raises CorruptTarget, MemoryFault."""
        return self.at(type_address(self.memory, self.layout, address))

    def at(self, address: int) -> RemoteType:
        """Return the type at ``address``."""
        known = self._types.get(address)
        if known is None:
            known = self._types[address] = self._read(address)
        return known

    def _read(self, address: int) -> RemoteType:
        fields = self.layout.objects
        data = self.memory.read(address, self._size)
        # Not Py_TPFLAGS_READY: in 2.7 some types made in C are made ready when they are first looked at.
        expect_type(self.memory, self.layout, address, TypeFlag.TYPE_SUBCLASS, "a type")
        flags = word(data, fields.type_flags)
        return RemoteType(
            address=address,
            name=read_c_string(self.memory, word(data, fields.type_name), _MAX_NAME_CHARS),
            flags=flags,
            base=word(data, fields.type_base),
            repr_slot=word(data, fields.type_repr),
            basicsize=word(data, fields.type_basicsize),
            dictoffset=int.from_bytes(data[fields.type_dictoffset : fields.type_dictoffset + 8], "little", signed=True),
        )

    def name_of_type(self, address: int) -> str:
        """Return the bare name of the type at ``address``; "" where there is no type."""
        if not self.of(address).flags & TypeFlag.TYPE_SUBCLASS:
            return ""
        return self.at(address).short_name

    def lineage(self, kind: RemoteType) -> Iterator[RemoteType]:
        """Yield ``kind`` and the ancestors whose structs it extends, up to ``object``."""
        for _ in range(MAX_ANCESTORS):
            yield kind
            if not kind.base:
                return
            kind = self.at(kind.base)
        raise CorruptTarget("a type has no end of ancestors")

    def static_ancestor(self, kind: RemoteType) -> RemoteType:
        """Return the nearest type, ``kind`` included, that no ``class`` statement made."""
        found = self._static.get(kind.address)
        if found is None:
            found = next((ancestor for ancestor in self.lineage(kind) if not ancestor.is_class), None)
            if found is None:
                raise CorruptTarget("a class extends no type")
            self._static[kind.address] = found
        return found

    def mro(self, kind: RemoteType) -> list[RemoteType]:
        """Return ``__mro__``; raises CorruptTarget where it is too long."""
        address = read_word(self.memory, kind.address + self.layout.objects.type_mro)
        return [self.at(item) for item in tuple_items(self.memory, self.layout, address, MAX_ANCESTORS)]

    def module_and_qualname(self, kind: RemoteType) -> tuple[str, str]:
        """Return ``__module__`` and ``__qualname__`` as ``type.__repr__`` takes them; "" for no module, or builtins."""
        if not kind.is_class:
            module, _, name = kind.name.rpartition(".")
            return module, name
        field = self.layout.objects.heap_type_qualname
        name = kind.short_name
        if field is not None:
            name = read_str(self.memory, self.layout, read_word(self.memory, kind.address + field), _MAX_NAME_CHARS)
        found = self.own_attribute(kind, "__module__")
        try:
            module = "" if found is None else read_str(self.memory, self.layout, found, _MAX_NAME_CHARS)
        except CorruptTarget:  # a property of that name, as abstract classes may have
            module = ""
        return ("" if module == "builtins" else module), name

    def full_name(self, kind: RemoteType) -> str:
        """Return ``module.qualname``, without the module where it is ``builtins``."""
        module, name = self.module_and_qualname(kind)
        return f"{module}.{name}" if module else name

    def class_attribute(self, kind: RemoteType, name: str) -> int | None:
        """Return the address of what ``kind`` or a class it inherits from defines as ``name``; None for nothing."""
        owner = self.definer(kind, name)
        return None if owner is None else self.own_attribute(owner, name)

    def definer(self, kind: RemoteType, name: str) -> RemoteType | None:
        """Return the class, ``kind`` or one it inherits from, that defines ``name``; None for none."""
        for ancestor in self.mro(kind):
            if ancestor.is_class and self.own_attribute(ancestor, name) is not None:
                return ancestor
        return None

    def own_attribute(self, kind: RemoteType, name: str) -> int | None:
        """Return the address of what ``kind`` itself defines as ``name``; None for nothing."""
        attributes = read_word(self.memory, kind.address + self.layout.objects.type_dict)
        return dict_value(self.memory, self.layout, attributes, name, _MAX_ATTRIBUTES) if attributes else None

    def repr_author(self, kind: RemoteType) -> tuple[str, str] | None:
        """Return (file, name) of the Python function that is the class's ``__repr__``; None for no such function."""
        if kind.address not in self._authors:
            self._authors[kind.address] = self._find_author(kind)
        return self._authors[kind.address]

    def _find_author(self, kind: RemoteType) -> tuple[str, str] | None:
        function = self.class_attribute(kind, "__repr__")
        if function is None or self.of(function).name != "function":
            return None
        layout = self.layout
        code = read_word(self.memory, function + layout.objects.function_code)
        file, name = (read_word(self.memory, code + field) for field in (layout.code.filename, layout.code.name))
        return read_str(self.memory, layout, file), read_str(self.memory, layout, name)
