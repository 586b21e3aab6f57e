"""``_Py_DebugOffsets``: how CPython 3.13 and later describe themselves at the start of ``_PyRuntime``.

Mirrors ``Include/internal/pycore_debug_offsets.h`` (3.13: in ``pycore_runtime.h``): a cookie, then 64-bit words. Fields
were added in the middle from one version to the next, so that a word's place depends on the version; within one minor
version the table has not changed. What it leaves out are rows of :mod:`nbspy.cpython.layout_tables`.

The words come from the target: each offset is held against the size of its struct, and each size against a cap.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from nbspy.cpython.layout import (
    CodeLayout,
    DebugOffsetsSupplement,
    FrameLayout,
    GilLayout,
    InstanceValues,
    InterpreterLayout,
    Layout,
    LineFormat,
    ObjectLayout,
    RuntimeLayout,
    StackChunkLayout,
    ThreadStateLayout,
)
from nbspy.cpython.layout_tables import SUPPLEMENTS
from nbspy.errors import CorruptTarget, UnsupportedPython

COOKIE: Final = b"xdebugpy"
MINIMUM_READ: Final = 888
"""Bytes to hand to :func:`read_layout`: the table of the newest version known. ``_PyRuntime`` itself is far longer."""

_OLDEST: Final = (3, 13)
_NEWEST: Final = (3, 15)
_WORD_BYTES: Final = 8
_FINAL_RELEASE: Final = 0xF
_WORD_MASK: Final = (1 << 64) - 1

_STRUCTS: Final[Mapping[str, str]] = {
    "": "cookie version free_threaded",
    "runtime_state": "size finalizing interpreters_head",
    "interpreter_state": "size id next threads_head 14:threads_main gc imports_modules sysdict builtins ceval_gil"
    " gil_runtime_state gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder"
    " 14:code_object_generation 14:tlbc_generation",
    "thread_state": "size prev next interp current_frame 15:base_frame 15:last_profiled_frame"
    " 15:last_profiled_frame_seq thread_id native_thread_id datastack_chunk status 15:holds_gil 15:gil_requested"
    " 15:current_exception 15:exc_state",
    "err_stackitem": "15:exc_value",
    "interpreter_frame": "size previous executable instr_ptr localsplus owner 14:stackpointer 14:tlbc_index",
    "code_object": "size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds"
    " co_code_adaptive 14:co_tlbc",
    "pyobject": "size ob_type",
    "type_object": "size tp_name tp_repr tp_flags 15:tp_basicsize 15:tp_dictoffset",
    "heap_type_object": "15:size 15:ht_cached_keys",
    "tuple_object": "size ob_item ob_size",
    "list_object": "size ob_item ob_size",
    "set_object": "14:size 14:used 14:table 14:mask",
    "dict_object": "size ma_keys ma_values",
    "float_object": "size ob_fval",
    "long_object": "size lv_tag ob_digit",
    "bytes_object": "size ob_size ob_sval",
    "unicode_object": "size state length asciiobject_size 15:compactunicodeobject_size",
    "gc": "size collecting 15:frame 15:generation_stats_size 15:generation_stats",
    "gen_object": "14:size 14:gi_name 14:gi_iframe 14:gi_frame_state",
    "llist_node": "14:next 14:prev",
    "debugger_support": "14:eval_breaker 14:remote_debugger_support 14:remote_debugging_enabled"
    " 14:debugger_pending_call 14:debugger_script_path 14:debugger_script_path_size",
}
"""Struct -> its words in order. ``14:`` marks those that 3.14 added, ``15:`` those of 3.15."""

_SIZE_CAPS: Final[Mapping[str, int]] = {
    "runtime_state": 64 << 20,
    "interpreter_state": 64 << 20,
    "thread_state": 1 << 16,
}
_SIZE_CAP: Final = 1 << 12
_UNBOUNDED: Final = ("", "err_stackitem", "llist_node", "debugger_support")
"""Parts without a size of their own, or that the reader does not use."""
_UNUSED: Final = ("gc.generation_stats_size", "gc.generation_stats")

_Offsets = Mapping[str, int]
"""``struct.field`` -> word; fields that the version does not have are missing."""


def _names(minor: int) -> list[str]:
    names = []
    for name, words in _STRUCTS.items():
        for word in words.split():
            since, _, field = word.rpartition(":")
            if int(since or 0) <= minor:
                names.append(f"{name}.{field}")
    return names


_NAMES: Final = {(3, minor): _names(minor) for minor in range(_OLDEST[1], _NEWEST[1] + 1)}


def read_layout(data: bytes) -> tuple[Layout, str | None]:
    """Return the layout that ``data``, the bytes at ``_PyRuntime``, describes, and a warning where it is a guess.

    ``data`` holds :data:`MINIMUM_READ` bytes. A version newer than the newest known is read like that one, and the
    warning says so. Raises CorruptTarget where the bytes are no such table or contradict themselves, UnsupportedPython
    where a version that is not known has another one.
    """
    if len(data) < MINIMUM_READ or not data.startswith(COOKIE):
        raise CorruptTarget("the runtime does not begin with debug offsets")
    version_hex, free_threaded = struct.unpack_from("<2Q", data, len(COOKIE))
    version = (version_hex >> 24 & 0xFF, version_hex >> 16 & 0xFF)
    if version_hex >> 32 or free_threaded not in (0, 1) or version[0] != 3 or version < _OLDEST:
        raise CorruptTarget(f"the debug offsets name an impossible version ({version_hex:#x})")
    known = min(version, _NEWEST)
    names = _NAMES[known]
    offsets = dict(zip(names, struct.unpack_from(f"<{len(names)}Q", data), strict=True))
    flaw = _find_flaw(offsets)
    if flaw is not None and version == known and version_hex >> 4 & 0xF == _FINAL_RELEASE:
        raise CorruptTarget(f"the debug offsets of Python {version[0]}.{version[1]} contradict themselves: {flaw}")
    if flaw is not None:
        raise UnsupportedPython(
            f"Python {_describe(version_hex)} lays its memory out in a way this nbspy does not know",
            f"nbspy reads CPython up to {_NEWEST[0]}.{_NEWEST[1]}: a newer nbspy may read it",
        )
    layout = _layout(version, offsets, SUPPLEMENTS[known, bool(free_threaded)])
    return layout, _warning(version_hex, version == known)


def _describe(version_hex: int) -> str:
    level = {0xA: "a", 0xB: "b", 0xC: "rc"}.get(version_hex >> 4 & 0xF)
    text = f"{version_hex >> 24 & 0xFF}.{version_hex >> 16 & 0xFF}.{version_hex >> 8 & 0xFF}"
    return text if level is None else f"{text}{level}{version_hex & 0xF}"


def _warning(version_hex: int, known: bool) -> str | None:
    if not known:
        return f"Python {_describe(version_hex)} is newer than this nbspy: it is read like {_NEWEST[0]}.{_NEWEST[1]}"
    if version_hex >> 4 & 0xF != _FINAL_RELEASE:
        return f"Python {_describe(version_hex)} is a pre-release: it is read like the release that followed"
    return None


def _find_flaw(offsets: _Offsets) -> str | None:
    """Return what is implausible about ``offsets``: a size beyond its cap, an offset beyond its struct."""
    for name, value in offsets.items():
        struct_name, _, field = name.partition(".")
        if struct_name in _UNBOUNDED or name in _UNUSED:
            continue
        size = offsets[f"{struct_name}.size"]
        if field == "size":
            if not _WORD_BYTES <= size <= _SIZE_CAPS.get(struct_name, _SIZE_CAP):
                return f"{struct_name} is {size} bytes long"
        elif value > size or (value == size and not field.endswith("_size")):
            return f"{name} is {value}, in a struct of {size} bytes"
    interpreter = "interpreter_state.gil_runtime_state"
    if not offsets[interpreter] < offsets[f"{interpreter}_holder"] < offsets[f"{interpreter}_locked"]:
        return "the GIL's fields are out of order"
    return None


def _layout(version: tuple[int, int], offsets: _Offsets, extra: DebugOffsetsSupplement) -> Layout:
    return Layout(
        version=version,
        free_threaded=bool(offsets[".free_threaded"]),
        runtime=RuntimeLayout(
            interpreters_head=offsets["runtime_state.interpreters_head"],
            current_thread_state=None,
            gil=None,
            finalizing=offsets["runtime_state.finalizing"],
            gc_collecting=None,
        ),
        interpreter=_interpreter(offsets, extra),
        gil=_gil(offsets, extra),
        thread_state=_thread_state(offsets, extra),
        chunk=StackChunkLayout(),
        frame=_frame(offsets, extra),
        code=_code(offsets, extra),
        objects=_objects(offsets, extra),
    )


def _interpreter(offsets: _Offsets, extra: DebugOffsetsSupplement) -> InterpreterLayout:
    collector = offsets["interpreter_state.gc"]
    frame = offsets.get("gc.frame")
    return InterpreterLayout(
        size=offsets["interpreter_state.size"],
        id=offsets["interpreter_state.id"],
        next=offsets["interpreter_state.next"],
        threads_head=offsets["interpreter_state.threads_head"],
        imports_modules=offsets["interpreter_state.imports_modules"],
        ceval_gil=offsets["interpreter_state.ceval_gil"],
        code_object_generation=offsets.get("interpreter_state.code_object_generation"),
        gc_collecting=collector + offsets["gc.collecting"],
        gc_frame=None if frame is None else collector + frame,
        finalizing=offsets["interpreter_state.threads_head"] + extra.interpreter_finalizing,
    )


def _gil(offsets: _Offsets, extra: DebugOffsetsSupplement) -> GilLayout:
    """The table counts the GIL's fields from the interpreter that contains it; the layout from the GIL itself."""
    start = offsets["interpreter_state.gil_runtime_state"]
    last_holder = offsets["interpreter_state.gil_runtime_state_holder"] - start
    return GilLayout(
        last_holder=last_holder,
        locked=offsets["interpreter_state.gil_runtime_state_locked"] - start,
        switch_number=last_holder + extra.gil_switch_number,
    )


def _thread_state(offsets: _Offsets, extra: DebugOffsetsSupplement) -> ThreadStateLayout:
    needed = (
        "next",
        "interp",
        "current_frame",
        "thread_id",
        "native_thread_id",
        "status",
        "holds_gil",
        "gil_requested",
    )
    fields = {name: offsets.get(f"thread_state.{name}") for name in needed}
    raised, handled = extra.exception_raised, extra.exception_handled
    if "thread_state.exc_state" in offsets:
        raised = offsets["thread_state.current_exception"]
        handled = offsets["thread_state.exc_state"] + offsets["err_stackitem.exc_value"]
    chunk = offsets["thread_state.datastack_chunk"]
    # datastack_top and datastack_limit follow the chunk.
    ends = [offset + _WORD_BYTES for offset in (*fields.values(), raised, handled) if offset is not None]
    return ThreadStateLayout(
        size=max(*ends, chunk + 3 * _WORD_BYTES),
        next=offsets["thread_state.next"],
        interp=offsets["thread_state.interp"],
        current_frame=offsets["thread_state.current_frame"],
        cframe_current_frame=None,
        thread_id=offsets["thread_state.thread_id"],
        native_thread_id=offsets["thread_state.native_thread_id"],
        datastack_chunk=chunk,
        status=fields["status"],
        status_active=extra.status_active,
        status_finalizing=extra.status_finalizing,
        exception_raised=raised,
        exception_handled=handled,
        holds_gil=fields["holds_gil"],
        gil_requested=fields["gil_requested"],
    )


def _frame(offsets: _Offsets, extra: DebugOffsetsSupplement) -> FrameLayout:
    return FrameLayout(
        size=offsets["interpreter_frame.localsplus"],
        previous=offsets["interpreter_frame.previous"],
        executable=offsets["interpreter_frame.executable"],
        executable_mask=extra.executable_mask,
        instr_ptr=offsets["interpreter_frame.instr_ptr"],
        lasti_unit=None,
        localsplus=offsets["interpreter_frame.localsplus"],
        owner=offsets["interpreter_frame.owner"],
        is_entry=None,
        owners_without_code=extra.owners_without_code,
        owner_generator=extra.owner_generator,
    )


def _code(offsets: _Offsets, extra: DebugOffsetsSupplement) -> CodeLayout:
    return CodeLayout(
        size=offsets["code_object.co_code_adaptive"],
        filename=offsets["code_object.filename"],
        name=offsets["code_object.name"],
        qualname=offsets["code_object.qualname"],
        linetable=offsets["code_object.linetable"],
        line_format=LineFormat.LOCATIONS,
        firstlineno=offsets["code_object.firstlineno"],
        flags=extra.code_flags,
        argcount=offsets["code_object.argcount"],
        kwonlyargcount=extra.code_kwonlyargcount,
        localsplusnames=offsets["code_object.localsplusnames"],
        localspluskinds=offsets["code_object.localspluskinds"],
        varnames=None,
        cellvars=None,
        freevars=None,
        code_adaptive=offsets["code_object.co_code_adaptive"],
        tlbc=offsets.get("code_object.co_tlbc") if offsets[".free_threaded"] else None,
    )


def _objects(offsets: _Offsets, extra: DebugOffsetsSupplement) -> ObjectLayout:
    return ObjectLayout(
        text_is_bytes=False,
        object_size=offsets["pyobject.size"],
        ob_type=offsets["pyobject.ob_type"],
        type_name=offsets["type_object.tp_name"],
        type_repr=offsets["type_object.tp_repr"],
        type_members=extra.type_members,
        type_base=extra.type_base,
        type_dict=extra.type_dict,
        type_mro=extra.type_mro,
        type_flags=offsets["type_object.tp_flags"],
        type_basicsize=offsets.get("type_object.tp_basicsize", extra.type_basicsize),
        type_dictoffset=offsets.get("type_object.tp_dictoffset", extra.type_dictoffset),
        heap_type_cached_keys=offsets.get("heap_type_object.ht_cached_keys", extra.heap_type_cached_keys),
        heap_type_qualname=extra.heap_type_qualname,
        tuple_size=offsets["tuple_object.ob_size"],
        tuple_items=offsets["tuple_object.ob_item"],
        list_size=offsets["list_object.ob_size"],
        list_items=offsets["list_object.ob_item"],
        dict_table=None,
        dict_mask=None,
        dict_used=offsets["pyobject.size"],
        dict_keys=offsets["dict_object.ma_keys"],
        dict_values=offsets["dict_object.ma_values"],
        dict_values_items=extra.dict_values_items,
        dict_values_used=1,
        dict_values_order=None,
        dict_values_valid=extra.dict_values_valid,
        keys_size=None,
        keys_log2_index_bytes=extra.keys_log2_index_bytes,
        keys_kind=extra.keys_kind,
        keys_nentries=extra.keys_nentries,
        keys_indices=extra.keys_indices,
        set_used=offsets.get("set_object.used", extra.set_used),
        set_mask=offsets.get("set_object.mask", extra.set_mask),
        set_table=offsets.get("set_object.table", extra.set_table),
        set_entry_key=0,
        function_code=extra.function_code,
        function_qualname=extra.function_qualname,
        generator_qualname=extra.generator_qualname,
        bytearray_start=extra.bytearray_start,
        float_value=offsets["float_object.ob_fval"],
        int_value=None,
        long_tag=offsets["long_object.lv_tag"],
        long_digits=offsets["long_object.ob_digit"],
        long_has_tag=True,
        bytes_size=offsets["bytes_object.ob_size"],
        bytes_data=offsets["bytes_object.ob_sval"],
        unicode_length=offsets["unicode_object.length"],
        unicode_pointer=None,
        unicode_char_size=None,
        unicode_state=offsets["unicode_object.state"],
        unicode_ascii_data=offsets["unicode_object.asciiobject_size"],
        unicode_compact_data=offsets.get("unicode_object.compactunicodeobject_size", extra.unicode_compact_data),
        unicode_kind_shift=extra.unicode_kind_shift,
        managed_dict_offset=extra.managed_dict_offset,
        instance_values=InstanceValues.BEHIND_OBJECT,
    )
