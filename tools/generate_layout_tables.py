"""Print the rows of ``nbspy/cpython/layout_tables.py`` from builds of CPython that carry debug information.

    python -m tools.generate_layout_tables /path/to/libpython3.11.so.1.0 /path/to/libpython3.12.so.1.0

An argument is a shared libpython, or a static python executable, with DWARF (``.debug_info``). 2.7 to 3.12 give a
whole :class:`~nbspy.cpython.layout.Layout`; newer ones, which describe themselves, the supplement to their table.

Where a field has had several names, :data:`LAYOUT_FIELDS` lists them, newest first: another version is another
name there, or a row of one of the small tables below it, and no logic.
"""

from __future__ import annotations

import argparse
import enum
import re
import sys
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from nbspy.cpython import layout as rows
from tools.dwarf_structs import Names, NoDebugInformation, Structs

T = TypeVar("T")

LAYOUT_FIELDS: dict[str, dict[str, Names]] = {
    "runtime": {
        "interpreters_head": ("_PyRuntimeState.interpreters.head",),
        "current_thread_state": ("_PyRuntimeState.gilstate.tstate_current",),
        "gil": ("_PyRuntimeState.ceval.gil",),
        "finalizing": ("_PyRuntimeState._finalizing", "_PyRuntimeState.finalizing"),
        "gc_collecting": ("_PyRuntimeState.gc.collecting",),
    },
    "interpreter": {
        "size": ("PyInterpreterState",),
        "id": ("PyInterpreterState.id",),
        "next": ("PyInterpreterState.next",),
        "threads_head": ("PyInterpreterState.threads.head", "PyInterpreterState.tstate_head"),
        "imports_modules": ("PyInterpreterState.imports.modules", "PyInterpreterState.modules"),
        "ceval_gil": ("PyInterpreterState.ceval.gil",),
        "code_object_generation": ("PyInterpreterState._code_object_generation",),
        "gc_collecting": ("PyInterpreterState.gc.collecting",),
        "gc_frame": ("PyInterpreterState.gc.frame",),
        "finalizing": ("PyInterpreterState._finalizing",),
    },
    "gil": {
        "last_holder": ("_gil_runtime_state.last_holder",),
        "locked": ("_gil_runtime_state.locked",),
        "switch_number": ("_gil_runtime_state.switch_number",),
    },
    "thread_state": {
        "next": ("PyThreadState.next",),
        "interp": ("PyThreadState.interp",),
        "current_frame": ("PyThreadState.current_frame", "PyThreadState.frame", "PyThreadState.cframe"),
        "cframe_current_frame": ("_PyCFrame.current_frame",),
        "thread_id": ("PyThreadState.thread_id",),
        "native_thread_id": ("PyThreadState.native_thread_id",),
        "datastack_chunk": ("PyThreadState.datastack_chunk",),
        "status": ("PyThreadState._status",),
        "holds_gil": ("PyThreadState.holds_gil",),
        "gil_requested": ("PyThreadState.gil_requested",),
        "exception_raised": ("PyThreadState.current_exception", "PyThreadState.curexc_type"),
        "exception_handled": ("PyThreadState.exc_state.exc_value", "PyThreadState.exc_value"),
    },
    "chunk": {
        "previous": ("_PyStackChunk.previous",),
        "size": ("_PyStackChunk.size",),
        "top": ("_PyStackChunk.top",),
        "data": ("_PyStackChunk.data",),
    },
    "frame": {
        "size": ("_PyInterpreterFrame.localsplus", "PyFrameObject.f_iblock"),
        "previous": ("_PyInterpreterFrame.previous", "PyFrameObject.f_back"),
        "executable": ("_PyInterpreterFrame.f_executable", "_PyInterpreterFrame.f_code", "PyFrameObject.f_code"),
        "instr_ptr": ("_PyInterpreterFrame.instr_ptr", "_PyInterpreterFrame.prev_instr", "PyFrameObject.f_lasti"),
        "localsplus": ("_PyInterpreterFrame.localsplus", "PyFrameObject.f_localsplus"),
        "owner": ("_PyInterpreterFrame.owner",),
        "is_entry": ("_PyInterpreterFrame.is_entry",),
    },
    "code": {
        "size": ("PyCodeObject.co_code_adaptive", "PyCodeObject"),
        "filename": ("PyCodeObject.co_filename",),
        "name": ("PyCodeObject.co_name",),
        "qualname": ("PyCodeObject.co_qualname",),
        "linetable": ("PyCodeObject.co_linetable", "PyCodeObject.co_lnotab"),
        "firstlineno": ("PyCodeObject.co_firstlineno",),
        "flags": ("PyCodeObject.co_flags",),
        "argcount": ("PyCodeObject.co_argcount",),
        "kwonlyargcount": ("PyCodeObject.co_kwonlyargcount",),
        "localsplusnames": ("PyCodeObject.co_localsplusnames",),
        "localspluskinds": ("PyCodeObject.co_localspluskinds",),
        "varnames": ("PyCodeObject.co_varnames",),
        "cellvars": ("PyCodeObject.co_cellvars",),
        "freevars": ("PyCodeObject.co_freevars",),
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
        "tuple_size": ("PyTupleObject.ob_base.ob_size", "PyTupleObject.ob_size"),
        "tuple_items": ("PyTupleObject.ob_item",),
        "list_size": ("PyListObject.ob_base.ob_size", "PyListObject.ob_size"),
        "list_items": ("PyListObject.ob_item",),
        "dict_table": ("PyDictObject.ma_table",),
        "dict_mask": ("PyDictObject.ma_mask",),
        "dict_used": ("PyDictObject.ma_used",),
        "dict_keys": ("PyDictObject.ma_keys",),
        "dict_values": ("PyDictObject.ma_values",),
        "dict_values_items": ("_dictvalues.values",),
        "dict_values_valid": ("_dictvalues.valid",),
        "keys_size": ("_dictkeysobject.dk_size",),
        "keys_log2_index_bytes": ("_dictkeysobject.dk_log2_index_bytes",),
        "keys_kind": ("_dictkeysobject.dk_kind",),
        "keys_nentries": ("_dictkeysobject.dk_nentries",),
        "keys_indices": ("_dictkeysobject.dk_indices",),
        "set_used": ("PySetObject.used",),
        "set_mask": ("PySetObject.mask",),
        "set_table": ("PySetObject.table",),
        "set_entry_key": ("setentry.key",),
        "function_code": ("PyFunctionObject.func_code",),
        "function_qualname": ("PyFunctionObject.func_qualname",),
        "generator_qualname": ("PyGenObject.gi_qualname",),
        "bytearray_start": ("PyByteArrayObject.ob_start", "PyByteArrayObject.ob_bytes"),
        "float_value": ("PyFloatObject.ob_fval",),
        "int_value": ("PyIntObject.ob_ival",),
        "long_tag": ("_longobject.long_value.lv_tag", "_longobject.ob_base.ob_size", "_longobject.ob_size"),
        "long_digits": ("_longobject.long_value.ob_digit", "_longobject.ob_digit"),
        "bytes_size": ("PyBytesObject.ob_base.ob_size", "PyStringObject.ob_size"),
        "bytes_data": ("PyBytesObject.ob_sval", "PyStringObject.ob_sval"),
        "unicode_length": ("PyASCIIObject.length", "PyUnicodeObject.length"),
        "unicode_pointer": ("PyUnicodeObject.str",),
        "unicode_state": ("PyASCIIObject.state",),
        "unicode_ascii_data": ("PyASCIIObject",),
        "unicode_compact_data": ("PyCompactUnicodeObject",),
    },
}
"""Row class field -> C field. A name without a member is the struct's size."""

FIRST_TAGGED = (3, 14)
TAG_BITS = 3
"""Low bits of a frame's ``executable`` that are no address, since then (``Py_TAG_BITS`` in ``pycore_stackref.h``)."""

LASTI_UNIT: dict[tuple[int, int], int] = {(3, 10): 2}
"""Bytes that ``f_lasti`` counts in; 1 in older versions."""

LINE_FORMAT: dict[tuple[int, int], rows.LineFormat] = {
    (2, 7): rows.LineFormat.UNSIGNED_LNOTAB,
    (3, 6): rows.LineFormat.LNOTAB,
    (3, 7): rows.LineFormat.LNOTAB,
    (3, 8): rows.LineFormat.LNOTAB,
    (3, 9): rows.LineFormat.LNOTAB,
    (3, 10): rows.LineFormat.PAIRS,
}
"""Later ones have a location table."""

KIND = "PyASCIIObject.state.kind"
ACTIVE = "PyThreadState._status.active"
FINALIZING = "PyThreadState._status.finalizing"
WIDE_UNICODE = 4
BEFORE_VALUES = {"dict_values_used": -2, "dict_values_order": -3}
"""3.11, 3.12: what the bytes right before the values mean (``_PyDictValues_AddToInsertionOrder``)."""
"""Of a 2.7 that was not built for two bytes, which its symbols tell."""
OWN_GILS = (3, 12)
"""Since this version an interpreter has, or shares, a GIL of its own."""
SELF_DESCRIBED = (3, 13)
HANDLED_ENDS_WITH_HANDLER = (3, 0)
"""Since this version ``exc_value`` tells an exception that is being handled, and not one that once was."""

CODELESS_OWNERS = ("FRAME_OWNED_BY_INTERPRETER", "FRAME_OWNED_BY_CSTACK")
WORD_BYTES = 8


def all_names() -> Iterator[str]:
    for fields in LAYOUT_FIELDS.values():
        for names in fields.values():
            yield from names


def read_structs(path: Path) -> Structs:
    """Return what the debug information of the file at ``path`` defines; raises NoDebugInformation."""
    return Structs(path, all_names(), (KIND, ACTIVE, FINALIZING))


def _known(value: T | None) -> T:
    if value is None:
        raise NoDebugInformation("the debug information lacks a struct that every CPython has")
    return value


def layout_of(structs: Structs, version: tuple[int, int]) -> rows.Layout:
    """Return the whole layout of one build; raises NoDebugInformation where a field that must be there is not."""
    parts = {
        part: {name: structs.offset(names) for name, names in fields.items()} for part, fields in LAYOUT_FIELDS.items()
    }
    has_chunks = parts["chunk"]["data"] is not None
    return rows.Layout(
        version=version,
        free_threaded=False,
        runtime=_row(rows.RuntimeLayout, _runtime(parts["runtime"], version)),
        interpreter=_row(rows.InterpreterLayout, parts["interpreter"]),
        gil=_row(rows.GilLayout, parts["gil"]) if version >= OWN_GILS else None,
        thread_state=_row(rows.ThreadStateLayout, _thread_state(structs, parts["thread_state"], version)),
        chunk=_row(rows.StackChunkLayout, parts["chunk"]) if has_chunks else None,
        frame=_row(rows.FrameLayout, parts["frame"] | _frame_constants(structs, version)),
        code=_row(rows.CodeLayout, parts["code"] | _code_constants(structs, version)),
        objects=_row(rows.ObjectLayout, parts["objects"] | _object_constants(structs, version, parts["objects"])),
    )


def _runtime(fields: dict[str, int | None], version: tuple[int, int]) -> dict[str, int | None]:
    if version >= OWN_GILS:
        return fields | {"current_thread_state": None}
    return fields | {"interpreters_head": fields["interpreters_head"] or 0}


def _thread_state(structs: Structs, fields: dict[str, int | None], version: tuple[int, int]) -> dict[str, int | None]:
    if version < HANDLED_ENDS_WITH_HANDLER:
        fields = fields | {"exception_handled": None}
    if structs.offset(("PyThreadState.current_frame",)) is not None:
        fields = fields | {"cframe_current_frame": None}
    ends = [offset + WORD_BYTES for name, offset in fields.items() if offset is not None and "cframe" not in name]
    chunk = fields["datastack_chunk"]
    if chunk is not None:
        # Behind the chunk pointer follow datastack_top and datastack_limit.
        ends.append(chunk + 3 * WORD_BYTES)
    bits = {"status_active": structs.bit_offset(ACTIVE), "status_finalizing": structs.bit_offset(FINALIZING)}
    masks = {name: 0 if bit is None else 1 << bit for name, bit in bits.items()}
    return fields | {"size": max(ends)} | masks


def _frame_constants(structs: Structs, version: tuple[int, int]) -> dict[str, Any]:
    owners = (structs.enumerator(name) for name in CODELESS_OWNERS)
    return {
        "executable_mask": 2**64 - 1 - (TAG_BITS if version >= FIRST_TAGGED else 0),
        "lasti_unit": LASTI_UNIT.get(version, 1) if structs.offset(("PyFrameObject.f_lasti",)) is not None else None,
        "owners_without_code": frozenset(owner for owner in owners if owner is not None),
        "owner_generator": structs.enumerator("FRAME_OWNED_BY_GENERATOR"),
    }


def _code_constants(structs: Structs, version: tuple[int, int]) -> dict[str, Any]:
    found: dict[str, Any] = {"line_format": LINE_FORMAT.get(version, rows.LineFormat.LOCATIONS), "tlbc": None}
    if structs.offset(("PyCodeObject.co_code_adaptive",)) is None:
        found["code_adaptive"] = 0
    return found


def _object_constants(structs: Structs, version: tuple[int, int], fields: dict[str, int | None]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "text_is_bytes": structs.offset(("PyStringObject.ob_sval",)) is not None,
        "dict_values_items": fields["dict_values_items"] or 0,
        "long_has_tag": structs.offset(("_longobject.long_value.lv_tag",)) is not None,
        "unicode_char_size": None if fields["unicode_pointer"] is None else WIDE_UNICODE,
        "unicode_kind_shift": structs.bit_offset(KIND) or 0,
        "managed_dict_offset": None,
        "instance_values": None,
        "dict_values_used": None,
        "dict_values_order": None,
    }
    if fields["unicode_pointer"] is not None:
        found |= dict.fromkeys(("unicode_state", "unicode_ascii_data", "unicode_compact_data"), 0)
    if structs.offset(("_dictvalues.values",)) is not None:
        found |= {"dict_values_used": 1} if fields["dict_values_valid"] else BEFORE_VALUES
        found |= {"managed_dict_offset": -3 * WORD_BYTES, "instance_values": _instance_values(structs, version)}
    return found


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
    for field in msgspec.structs.fields(rows.DebugOffsetsSupplement):
        name = field.name.removeprefix("code_")
        sources = (layout.code,) if name != field.name else (layout.frame, layout.thread_state, layout.objects)
        values[field.name] = next((getattr(part, name) for part in sources if hasattr(part, name)), None)
    values["interpreter_finalizing"] = _known(layout.interpreter.finalizing) - layout.interpreter.threads_head
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
    if isinstance(value, msgspec.Struct):
        inner = indent + "    "
        lines = [
            f"{inner}{field.name}={to_source(getattr(value, field.name), inner)},\n"
            for field in msgspec.structs.fields(value)
            if field.name not in rows.OF_THE_SYSTEM  # the tables are those of one system
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
        structs = read_structs(path)
        if version < SELF_DESCRIBED:
            print(f"    {version!r}: {to_source(layout_of(structs, version))},")
        else:
            print(f"    ({version!r}, False): {to_source(supplement_of(structs, version))},")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
