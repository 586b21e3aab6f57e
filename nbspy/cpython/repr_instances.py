"""Reprs of instances of classes: by what their ``__repr__`` is known to say, else by their attributes.

The code of a ``__repr__`` is not run. Where it is the one that the standard library wrote for enumerations, named
tuples and paths, its answer is built here; any other class is shown as ``<Class field=value, ...>``, which no
``__repr__`` would be mistaken for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

from nbspy.cpython import repr_arrays, repr_containers, repr_values
from nbspy.cpython.attributes import instance_attribute, instance_attributes, slot_attributes
from nbspy.cpython.objects import TypeFlag, read_str
from nbspy.cpython.remote_types import RemoteType
from nbspy.cpython.repr_writer import Formatter, ReprWriter
from nbspy.errors import CorruptTarget

_MAX_FIELDS: Final = 256
_MAX_NAME_CHARS: Final = 256
_MAX_PARTS: Final = 256


def _write_arguments(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """The ``args`` of an exception, a tuple."""
    writer.values(writer.own_words(address, 2)[1:])


_OTHERS: Final[Mapping[str, Formatter]] = {
    **repr_containers.FORMATS,
    "BaseException": _write_arguments,
    "exceptions.BaseException": _write_arguments,
    "numpy.ndarray": repr_arrays.write_array,
}
_PLAIN: Final = frozenset((*_OTHERS, "int", "long", "float", "complex", "str", "unicode", "bytes", "bytearray")) - {
    "dict_keys",
    "dict_values",
    "dict_items",
    "mappingproxy",
}
"""What a class with a repr of its own may extend, its value to be shown beside its name."""
_ENUM_METACLASSES: Final = ("EnumType", "EnumMeta")


def write_instance(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """Write an object whose type's repr is not that of a built-in type."""
    author = writer.types.repr_author(kind) if kind.is_class else None
    if author is not None and author[1] == "__repr__":
        for suffix, write in _LIBRARY:
            if author[0].endswith(suffix) and write(writer, address, kind):
                return
    base = writer.types.static_ancestor(kind)
    plain = next((ancestor for ancestor in writer.types.lineage(base) if ancestor.name in _PLAIN), None)
    if plain is not None:
        writer.add(f"<{kind.short_name} ")
        write_plain = _OTHERS.get(plain.name) or repr_values.formats_for(writer.layout)[plain.name]
        write_plain(writer, address, plain)
        writer.add(">")
        return
    write_attributes(writer, address, kind)


def write_attributes(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """Write ``<Class field=value, ...>``, or ``<module.Class at 0x...>`` where no field can be read."""
    fields = _fields(writer, address, kind) if kind.is_class else iter(())
    first_field = next(fields, None)
    if first_field is None:
        writer.add(f"<{writer.types.full_name(kind)} at {address:#x}>")
        return
    with writer.entered(address, f"<{kind.short_name} ...>") as first:
        if not first:
            return
        writer.add(f"<{kind.short_name} ")
        for position, (name, value) in enumerate(chain((first_field,), fields)):
            writer.add(f", {name}=" if position else f"{name}=")
            writer.value(value)
        writer.add(">")


def _fields(writer: ReprWriter, address: int, kind: RemoteType) -> Iterator[tuple[str, int]]:
    """Yield name and address of the attributes: slots first, those of base classes before their own."""
    for ancestor in reversed([ancestor for ancestor in writer.types.lineage(kind) if ancestor.is_class]):
        yield from slot_attributes(writer.memory, writer.layout, address, ancestor.address)
    for name, value in instance_attributes(writer.memory, writer.layout, address, _MAX_FIELDS):
        try:
            yield read_str(writer.memory, writer.layout, name, _MAX_NAME_CHARS), value
        except CorruptTarget:  # keys of a __dict__ need not be text
            continue


def _write_enum(writer: ReprWriter, address: int, kind: RemoteType) -> bool:
    """``Enum.__repr__``, ``Flag.__repr__``."""
    if writer.types.of(kind.address).name not in _ENUM_METACLASSES:
        return False
    value = instance_attribute(writer.memory, writer.layout, address, "_value_")
    if value is None:
        return False
    name = instance_attribute(writer.memory, writer.layout, address, "_name_")
    label = kind.short_name
    if name is not None and writer.types.of(name).name != "NoneType":
        label += "." + read_str(writer.memory, writer.layout, name, _MAX_NAME_CHARS)
    writer.add(f"<{label}: ")
    writer.value(value)
    writer.add(">")
    return True


def _write_namedtuple(writer: ReprWriter, address: int, kind: RemoteType) -> bool:
    """The ``__repr__`` that ``collections.namedtuple`` makes."""
    names, owner = writer.types.class_attribute(kind, "_fields"), writer.types.definer(kind, "_fields")
    if names is None or owner is None or not kind.flags & TypeFlag.TUPLE_SUBCLASS:
        return False
    kind = owner if writer.style.namedtuples_keep_their_name else kind
    with writer.entered(address, f"{kind.short_name}(...)") as first:
        if first:
            writer.add(f"{kind.short_name}(")
            pairs = zip(
                repr_containers.tuple_addresses(writer, names),
                repr_containers.tuple_addresses(writer, address),
                strict=False,
            )
            for position, (name, value) in enumerate(pairs):
                text = read_str(writer.memory, writer.layout, name, _MAX_NAME_CHARS)
                writer.add(f", {text}=" if position else f"{text}=")
                writer.value(value)
            writer.add(")")
    return True


def _write_path(writer: ReprWriter, address: int, kind: RemoteType) -> bool:
    """``PurePath.__repr__``: from the text where the path has made it, else from what it was made of."""
    slots: dict[str, int] = {}
    for ancestor in writer.types.lineage(kind):
        if ancestor.is_class:
            slots.update(slot_attributes(writer.memory, writer.layout, address, ancestor.address))
    flavour = PureWindowsPath if any("Windows" in a.name for a in writer.types.lineage(kind)) else PurePosixPath
    if "_str" in slots:
        parts = [slots["_str"]]
    else:
        # 3.12+ keep what they were given, 3.11 the drive, the root and the parts behind them.
        source = slots.get("_raw_paths") or slots.get("_parts")
        if source is None or not writer.types.of(source).flags & TypeFlag.LIST_SUBCLASS:
            return False
        parts = list(islice(repr_containers.list_addresses(writer, source), _MAX_PARTS))
    path = flavour(*(read_str(writer.memory, writer.layout, part) for part in parts))
    writer.add(f"{kind.short_name}({path.as_posix()!r})")
    return True


_LIBRARY: Final[tuple[tuple[str, Callable[[ReprWriter, int, RemoteType], bool]], ...]] = (
    ("enum.py", _write_enum),
    ("collections/__init__.py", _write_namedtuple),
    # Before 3.7 the class is made of text.
    ("<string>", _write_namedtuple),
    ("pathlib.py", _write_path),
    ("pathlib/__init__.py", _write_path),
    ("pathlib/_local.py", _write_path),
    *repr_arrays.LIBRARY,
)
"""End of the file that defines a ``__repr__`` -> what writes the same; False where the object is another after all."""
