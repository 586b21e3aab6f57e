"""Print the rows of ``nbspy/cpython/layout_tables.py`` from builds of CPython that carry debug information.

    python tools/generate_layout_tables.py /path/to/libpython3.11.so.1.0 /path/to/libpython3.12.so.1.0

An argument is a shared libpython, or a static python executable, with DWARF (``.debug_info``). 3.11 and 3.12 give a
whole :class:`~nbspy.cpython.layout.Layout`; newer ones, which describe themselves, the supplement to their table.

Where a field has had several names, :data:`LAYOUT_FIELDS` lists them, newest first: another version is another
name there, or a row of :data:`TAGGED_EXECUTABLE`, and no logic.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
import re
import sys
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile

from nbspy.cpython import layout as rows

UNITS = (
    "Python/pystate.c",
    "Python/frame.c",
    "Objects/dictobject.c",
    "Objects/unicodeobject.c",
    "Objects/codeobject.c",
    "Objects/longobject.c",
    "Objects/setobject.c",
    "Objects/funcobject.c",
    "Objects/genobject.c",
    "Objects/bytearrayobject.c",
)
"""The compilation units that, taken together, define every struct below."""

T = TypeVar("T")

Names = tuple[str, ...]
"""``struct.member.member``, newest first: the first that a build has is taken."""

LAYOUT_FIELDS: dict[str, dict[str, Names]] = {
    "runtime": {
        "interpreters_head": ("_PyRuntimeState.interpreters.head",),
        "current_thread_state": ("_PyRuntimeState.gilstate.tstate_current",),
        "finalizing": ("_PyRuntimeState._finalizing",),
    },
    "interpreter": {
        "size": ("PyInterpreterState",),
        "id": ("PyInterpreterState.id",),
        "next": ("PyInterpreterState.next",),
        "threads_head": ("PyInterpreterState.threads.head",),
        "imports_modules": ("PyInterpreterState.imports.modules", "PyInterpreterState.modules"),
        "ceval_gil": ("PyInterpreterState.ceval.gil",),
        "code_object_generation": ("PyInterpreterState._code_object_generation",),
    },
    "gil": {
        "last_holder": ("_gil_runtime_state.last_holder",),
        "locked": ("_gil_runtime_state.locked",),
        "switch_number": ("_gil_runtime_state.switch_number",),
    },
    "thread_state": {
        "next": ("PyThreadState.next",),
        "interp": ("PyThreadState.interp",),
        "current_frame": ("PyThreadState.current_frame", "PyThreadState.cframe"),
        "cframe_current_frame": ("_PyCFrame.current_frame",),
        "thread_id": ("PyThreadState.thread_id",),
        "native_thread_id": ("PyThreadState.native_thread_id",),
        "datastack_chunk": ("PyThreadState.datastack_chunk",),
        "holds_gil": ("PyThreadState.holds_gil",),
        "gil_requested": ("PyThreadState.gil_requested",),
    },
    "chunk": {
        "previous": ("_PyStackChunk.previous",),
        "size": ("_PyStackChunk.size",),
        "top": ("_PyStackChunk.top",),
        "data": ("_PyStackChunk.data",),
    },
    "frame": {
        "size": ("_PyInterpreterFrame.localsplus",),
        "previous": ("_PyInterpreterFrame.previous",),
        "executable": ("_PyInterpreterFrame.f_executable", "_PyInterpreterFrame.f_code"),
        "instr_ptr": ("_PyInterpreterFrame.instr_ptr", "_PyInterpreterFrame.prev_instr"),
        "localsplus": ("_PyInterpreterFrame.localsplus",),
        "owner": ("_PyInterpreterFrame.owner",),
        "is_entry": ("_PyInterpreterFrame.is_entry",),
    },
    "code": {
        "size": ("PyCodeObject.co_code_adaptive",),
        "filename": ("PyCodeObject.co_filename",),
        "name": ("PyCodeObject.co_name",),
        "qualname": ("PyCodeObject.co_qualname",),
        "linetable": ("PyCodeObject.co_linetable",),
        "firstlineno": ("PyCodeObject.co_firstlineno",),
        "flags": ("PyCodeObject.co_flags",),
        "argcount": ("PyCodeObject.co_argcount",),
        "kwonlyargcount": ("PyCodeObject.co_kwonlyargcount",),
        "localsplusnames": ("PyCodeObject.co_localsplusnames",),
        "localspluskinds": ("PyCodeObject.co_localspluskinds",),
        "code_adaptive": ("PyCodeObject.co_code_adaptive",),
    },
    "objects": {
        "object_size": ("_object",),
        "ob_type": ("_object.ob_type",),
        "type_name": ("_typeobject.tp_name",),
        "type_repr": ("_typeobject.tp_repr",),
        "type_members": ("_typeobject.tp_members",),
        "type_base": ("_typeobject.tp_base",),
        "type_dict": ("_typeobject.tp_dict",),
        "type_mro": ("_typeobject.tp_mro",),
        "type_flags": ("_typeobject.tp_flags",),
        "type_basicsize": ("_typeobject.tp_basicsize",),
        "type_dictoffset": ("_typeobject.tp_dictoffset",),
        "heap_type_cached_keys": ("_heaptypeobject.ht_cached_keys",),
        "heap_type_qualname": ("_heaptypeobject.ht_qualname",),
        "tuple_size": ("PyTupleObject.ob_base.ob_size",),
        "tuple_items": ("PyTupleObject.ob_item",),
        "list_size": ("PyListObject.ob_base.ob_size",),
        "list_items": ("PyListObject.ob_item",),
        "dict_keys": ("PyDictObject.ma_keys",),
        "dict_values": ("PyDictObject.ma_values",),
        "dict_values_items": ("_dictvalues.values",),
        "dict_values_valid": ("_dictvalues.valid",),
        "keys_log2_index_bytes": ("_dictkeysobject.dk_log2_index_bytes",),
        "keys_kind": ("_dictkeysobject.dk_kind",),
        "keys_nentries": ("_dictkeysobject.dk_nentries",),
        "keys_indices": ("_dictkeysobject.dk_indices",),
        "set_used": ("PySetObject.used",),
        "set_mask": ("PySetObject.mask",),
        "set_table": ("PySetObject.table",),
        "function_code": ("PyFunctionObject.func_code",),
        "function_qualname": ("PyFunctionObject.func_qualname",),
        "generator_qualname": ("PyGenObject.gi_qualname",),
        "bytearray_start": ("PyByteArrayObject.ob_start",),
        "float_value": ("PyFloatObject.ob_fval",),
        "long_tag": ("_longobject.long_value.lv_tag", "_longobject.ob_base.ob_size"),
        "long_digits": ("_longobject.long_value.ob_digit", "_longobject.ob_digit"),
        "bytes_size": ("PyBytesObject.ob_base.ob_size",),
        "bytes_data": ("PyBytesObject.ob_sval",),
        "unicode_length": ("PyASCIIObject.length",),
        "unicode_state": ("PyASCIIObject.state",),
        "unicode_ascii_data": ("PyASCIIObject",),
        "unicode_compact_data": ("PyCompactUnicodeObject",),
    },
}
"""Row class field -> C field. A name without a member is the struct's size."""

TAGGED_EXECUTABLE: dict[tuple[int, int], int] = {(3, 14): 3, (3, 15): 3}
"""Low bits of a frame's ``executable`` that are no address (``Py_TAG_BITS`` in ``pycore_stackref.h``)."""

CODELESS_OWNERS = ("FRAME_OWNED_BY_INTERPRETER", "FRAME_OWNED_BY_CSTACK")
WORD_BYTES = 8


class NoDebugInformation(Exception):
    """The file has no DWARF, or not the DWARF of a CPython."""


class Structs:
    """The structs and enums that the debug information of one CPython defines."""

    def __init__(self, path: Path) -> None:
        self._types: dict[str, DIE] = {}
        self._enumerators: dict[str, int] = {}
        with path.open("rb") as file:
            elf = ELFFile(file)
            if not elf.has_dwarf_info() or elf.get_section_by_name(".debug_info") is None:
                raise NoDebugInformation(f"{path} carries no .debug_info")
            for unit in _units(elf):
                self._add_unit(unit)
            # What is asked for below is resolved while the file is open: a DIE reads its parts when they are wanted.
            self._offsets = {name: offset for name in _all_names() if (offset := self._find(name)) is not None}
            self._kind_shift = self._find_bit_offset("PyASCIIObject.state", "kind")

    def offset(self, names: Names) -> int | None:
        """Return the offset (or size) of the first of ``names`` that this build has; None where it has none."""
        return next((self._offsets[name] for name in names if name in self._offsets), None)

    def enumerator(self, name: str) -> int | None:
        return self._enumerators.get(name)

    @property
    def unicode_kind_shift(self) -> int:
        return self._kind_shift

    def _add_unit(self, unit: CompileUnit) -> None:
        for die in unit.get_top_DIE().iter_children():
            name = _name(die)
            if die.tag == "DW_TAG_enumeration_type":
                for child in die.iter_children():
                    self._enumerators.setdefault(str(_name(child)), child.attributes["DW_AT_const_value"].value)
            elif name and die.tag in ("DW_TAG_structure_type", "DW_TAG_typedef") and _struct(die) is not None:
                self._types.setdefault(name, die)

    def _find(self, name: str) -> int | None:
        head, *members = name.split(".")
        die = self._types.get(head)
        struct = None if die is None else _struct(die)
        if struct is None:
            return None
        if not members:
            return int(struct.attributes["DW_AT_byte_size"].value)
        offset = 0
        for member in members:
            found = None if struct is None else _member(struct, member)
            if found is None:
                return None
            offset += found[0]
            struct = _struct(found[1].get_DIE_from_attribute("DW_AT_type"))
        return offset

    def _find_bit_offset(self, struct_member: str, field: str) -> int:
        head, member = struct_member.split(".")
        found = _member(_known(_struct(self._types[head])), member)
        state = _known(_struct(_known(found)[1].get_DIE_from_attribute("DW_AT_type")))
        _, die = _known(_member(state, field))
        return int(die.attributes["DW_AT_data_bit_offset"].value)


def _known(value: T | None) -> T:
    if value is None:
        raise NoDebugInformation("the debug information lacks a struct that every CPython has")
    return value


def _units(elf: ELFFile) -> Iterator[CompileUnit]:
    for unit in elf.get_dwarf_info().iter_CUs():
        if (_name(unit.get_top_DIE()) or "").endswith(UNITS):
            yield unit


def _name(die: DIE) -> str | None:
    attribute = die.attributes.get("DW_AT_name")
    return None if attribute is None else attribute.value.decode()


def _struct(die: DIE) -> DIE | None:
    """Follow typedefs and the like to a struct or union that is defined; None where there is none."""
    while die.tag in ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type"):
        if "DW_AT_type" not in die.attributes:
            return None
        die = die.get_DIE_from_attribute("DW_AT_type")
    if die.tag not in ("DW_TAG_structure_type", "DW_TAG_union_type") or "DW_AT_declaration" in die.attributes:
        return None
    return die


def _member(struct: DIE, name: str) -> tuple[int, DIE] | None:
    """Return offset and DIE of a member, also of one in an anonymous struct or union."""
    for child in struct.iter_children():
        if child.tag != "DW_TAG_member":
            continue
        at = child.attributes.get("DW_AT_data_member_location")
        offset = 0 if at is None else int(at.value)
        if _name(child) == name:
            return offset, child
        if _name(child) is None:
            inner = _struct(child.get_DIE_from_attribute("DW_AT_type"))
            found = None if inner is None else _member(inner, name)
            if found is not None:
                return offset + found[0], found[1]
    return None


def _all_names() -> Iterator[str]:
    for fields in LAYOUT_FIELDS.values():
        for names in fields.values():
            yield from names


def layout_of(structs: Structs, version: tuple[int, int]) -> rows.Layout:
    """Return the whole layout of one build; raises NoDebugInformation where a field that must be there is not."""
    parts = {
        part: {name: structs.offset(names) for name, names in fields.items()} for part, fields in LAYOUT_FIELDS.items()
    }
    if version >= (3, 12):
        parts["runtime"]["current_thread_state"] = None
    if structs.offset(("PyThreadState.current_frame",)) is not None:
        parts["thread_state"]["cframe_current_frame"] = None
    thread_state = parts["thread_state"]
    # The chunk pointer and, behind it, datastack_top and datastack_limit.
    ends = [offset + WORD_BYTES for name, offset in thread_state.items() if offset is not None and "cframe" not in name]
    thread_state["size"] = max(*ends, _known(thread_state["datastack_chunk"]) + 3 * WORD_BYTES)
    objects = parts["objects"] | {
        "long_has_tag": structs.offset(("_longobject.long_value.lv_tag",)) is not None,
        "unicode_kind_shift": structs.unicode_kind_shift,
        "managed_dict_offset": -3 * WORD_BYTES,
        "instance_values": _instance_values(structs, version),
    }
    frame = parts["frame"] | _frame_constants(structs, version)
    return rows.Layout(
        version=version,
        free_threaded=False,
        runtime=_row(rows.RuntimeLayout, parts["runtime"]),
        interpreter=_row(rows.InterpreterLayout, parts["interpreter"]),
        gil=_row(rows.GilLayout, parts["gil"]) if parts["interpreter"]["ceval_gil"] is not None else None,
        thread_state=_row(rows.ThreadStateLayout, thread_state),
        chunk=_row(rows.StackChunkLayout, parts["chunk"]),
        frame=_row(rows.FrameLayout, frame),
        code=_row(rows.CodeLayout, parts["code"]),
        objects=_row(rows.ObjectLayout, objects),
    )


def _frame_constants(structs: Structs, version: tuple[int, int]) -> dict[str, Any]:
    owners = (structs.enumerator(name) for name in CODELESS_OWNERS)
    return {
        "executable_mask": 2**64 - 1 - TAGGED_EXECUTABLE.get(version, 0),
        "owners_without_code": frozenset(owner for owner in owners if owner is not None),
        "owner_generator": _known(structs.enumerator("FRAME_OWNED_BY_GENERATOR")),
    }


def _instance_values(structs: Structs, version: tuple[int, int]) -> rows.InstanceValues:
    if structs.offset(("_dictvalues.embedded", "_dictvalues.valid")) is not None:
        return rows.InstanceValues.BEHIND_OBJECT
    if version >= (3, 12):
        return rows.InstanceValues.TAGGED_DICT
    return rows.InstanceValues.POINTER_BEFORE_DICT


def supplement_of(structs: Structs, version: tuple[int, int]) -> rows.DebugOffsetsSupplement:
    """Return what the debug offsets of this build (3.13+) do not tell."""
    layout = layout_of(structs, version)
    gil = _known(layout.gil)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(rows.DebugOffsetsSupplement):
        source = layout.frame if hasattr(layout.frame, field.name) else layout.objects
        name = field.name.removeprefix("code_")
        values[field.name] = getattr(source if name == field.name else layout.code, name, None)
    values["gil_switch_number"] = _known(gil.switch_number) - gil.last_holder
    return _row(rows.DebugOffsetsSupplement, values)


def _row(cls: type[T], values: dict[str, Any]) -> T:
    """Build a row; None is refused for fields that no version may lack."""
    hints = typing.get_type_hints(cls)
    for name, value in values.items():
        if value is None and type(None) not in typing.get_args(hints[name]):
            raise NoDebugInformation(f"{cls.__name__}.{name} was not found in the debug information")
    return cls(**values)


def to_source(value: Any, indent: str = "    ") -> str:
    """Return ``value`` as the Python expression that layout_tables.py holds."""
    if dataclasses.is_dataclass(value):
        inner = indent + "    "
        lines = [
            f"{inner}{field.name}={to_source(getattr(value, field.name), inner)},\n"
            for field in dataclasses.fields(value)
        ]
        return f"{type(value).__name__}(\n{''.join(lines)}{indent})"
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, frozenset):
        return f"frozenset({{{', '.join(map(str, sorted(value)))}}})" if value else "frozenset()"
    if isinstance(value, int) and value > 1 << 63:
        return f"0x{value:X}"
    return repr(value)


def version_of(path: Path) -> tuple[int, int]:
    """Return the version that the file's name tells."""
    match = re.search(r"python(\d)\.(\d+)", path.name)
    if match is None:
        raise NoDebugInformation(f"{path.name} does not tell its version")
    return int(match[1]), int(match[2])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="+", type=Path, help="libpython or python executable with debug information")
    for path in parser.parse_args(arguments).build:
        version = version_of(path)
        structs = Structs(path)
        row = layout_of(structs, version) if version < (3, 13) else supplement_of(structs, version)
        print(f"    {version!r}: {to_source(row)},")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
