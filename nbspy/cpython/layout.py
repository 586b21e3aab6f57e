"""Where the fields lie that the reader needs, for one version and build of CPython.

A version difference is a value in a :class:`Layout`, never an ``if`` elsewhere. 3.13 and later describe
themselves (``_Py_DebugOffsets``, ``Include/internal/pycore_debug_offsets.h``): :mod:`nbspy.cpython.debug_offsets`
fills the layout from the target's own memory. Older versions come from :mod:`nbspy.cpython.layout_tables`.

Offsets are in bytes from the start of the C struct that a class is named after. ``None`` means that this version has
no such field; a reader that needs it has another way or does without.
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec

OF_THE_SYSTEM: Final = ("long_size",)
"""Fields of :class:`Layout` that the operating system decides, not the version: no part of a row."""


class RuntimeLayout(msgspec.Struct, frozen=True):
    """``_PyRuntimeState``.

    2.7 and 3.6 have none: their runtime is what lies at ``interp_head``, and the rest are symbols of their own
    (:class:`~nbspy.cpython.runtime.Runtime`).
    """

    interpreters_head: int
    current_thread_state: int | None
    """3.7 to 3.11: ``gilstate.tstate_current``, the thread state that holds the one GIL."""
    gil: int | None
    """3.7 to 3.11: ``ceval.gil``, the one ``struct _gil_runtime_state``."""
    finalizing: int | None
    """3.7+: the thread state that ends Python; NULL before."""
    gc_collecting: int | None
    """3.7, 3.8: ``gc.collecting``, an int; later each interpreter has its own."""


class InterpreterLayout(msgspec.Struct, frozen=True):
    """``PyInterpreterState``; ``size`` bounds the other offsets."""

    size: int
    """Of the whole struct, some hundred thousand bytes: a bound, not something to read."""
    id: int | None
    """3.7+; before, interpreters have no number."""
    next: int
    threads_head: int
    imports_modules: int
    """``sys.modules`` (a dict)."""
    ceval_gil: int | None
    """3.12+: pointer to ``struct _gil_runtime_state``."""
    code_object_generation: int | None
    """3.14+: counter that changes when a code object is freed."""
    gc_collecting: int | None
    """3.9+: ``gc.collecting``, an int: a garbage collection runs."""
    gc_frame: int | None
    """3.15+: ``gc.frame``, the frame in which that collection began."""
    finalizing: int | None
    """3.12+: ``_finalizing``, the thread state that ends the interpreter; NULL before."""


class GilLayout(msgspec.Struct, frozen=True):
    """``struct _gil_runtime_state`` (3.12+)."""

    last_holder: int
    locked: int
    switch_number: int | None
    """Counts changes of ``last_holder``: a thread that lets the GIL go and takes it again is not counted."""


class ThreadStateLayout(msgspec.Struct, frozen=True):
    """``PyThreadState``; ``size`` is how many bytes from its start hold every field named here."""

    size: int
    next: int
    interp: int
    current_frame: int
    """Pointer to the current frame; where ``cframe`` is given, to ``_PyCFrame``, whose field it is."""
    cframe_current_frame: int | None
    """3.11, 3.12: offset of ``current_frame`` in the ``_PyCFrame`` that ``current_frame`` points to."""
    thread_id: int
    native_thread_id: int | None
    """3.11+; before, only the C library knows (:mod:`nbspy.cpython.pthreads`)."""
    datastack_chunk: int | None
    """3.11+: newest ``_PyStackChunk``; ``datastack_top`` follows it directly."""
    status: int | None
    """3.13+: the word of status bits."""
    status_active: int
    """The bit of ``status`` that is set while the thread is attached: it may then change its frames."""
    status_finalizing: int
    """The bit of ``status`` that is set once the thread has come to its end and clears its state."""
    exception_raised: int
    """``current_exception`` (3.12+) or ``curexc_type``: what is on its way to a handler."""
    exception_handled: int | None
    """3.0+: ``exc_value``, of ``exc_state`` from 3.7 on: what the innermost handler handles that is not in a generator.
    In 2.7 it stays until the function returns, handled or not."""
    holds_gil: int | None
    gil_requested: int | None


class StackChunkLayout(msgspec.Struct, frozen=True):
    """``_PyStackChunk``: ``{previous; size_t size; size_t top; PyObject *data[]}``, the same since 3.11."""

    previous: int = 0
    size: int = 8
    top: int = 16
    data: int = 24


class FrameLayout(msgspec.Struct, frozen=True):
    """``_PyInterpreterFrame`` (3.11+) or ``PyFrameObject``; ``size`` is how much of its start holds the fields below.

    Other than ``localsplus``, which begins there (3.11+) or behind the stack of blocks.
    """

    size: int
    previous: int
    """``previous`` or ``f_back``."""
    executable: int
    """``f_code`` (<= 3.12) or ``f_executable``."""
    executable_mask: int
    """Bits of ``executable``, and of each local, that are the pointer (3.14+ tags the low two)."""
    instr_ptr: int
    """``prev_instr`` (3.11, 3.12) or ``instr_ptr``: both give ``_PyInterpreterFrame_LASTI``; before, ``f_lasti``."""
    lasti_unit: int | None
    """<= 3.10: ``instr_ptr`` is an int, the instruction's index in units of so many bytes; later it is a pointer."""
    localsplus: int
    owner: int | None
    """3.11+; before, each frame is an object of its own, and C code has none."""
    is_entry: int | None
    """3.11: the flag byte; later the frame below an entry frame is owned by C, before every frame is one."""
    owners_without_code: frozenset[int]
    """Owner values of frames that C code keeps on the chain: shims and trampolines."""
    owner_generator: int | None


class LineFormat(enum.Enum):
    """How a code object keeps its lines: :mod:`nbspy.cpython.line_table` knows each."""

    UNSIGNED_LNOTAB = enum.auto()
    """2.7: ``co_lnotab``, whose lines only go forward."""
    LNOTAB = enum.auto()
    """3.6 to 3.9: ``co_lnotab``."""
    PAIRS = enum.auto()
    """3.10: ``co_linetable`` of byte pairs."""
    LOCATIONS = enum.auto()
    """3.11+: ``co_linetable``, the location table."""


class CodeLayout(msgspec.Struct, frozen=True):
    """``PyCodeObject``; ``size`` is that of its fixed part."""

    size: int
    filename: int
    name: int
    qualname: int | None
    """3.11+."""
    linetable: int
    """``co_linetable`` or ``co_lnotab``."""
    line_format: LineFormat
    firstlineno: int
    flags: int
    argcount: int
    """Of positional arguments, those that are positional-only included."""
    kwonlyargcount: int | None
    """3.0+."""
    localsplusnames: int | None
    """3.11+: the names of all variables; before, those of ``varnames``, ``cellvars`` and ``freevars`` in this order."""
    localspluskinds: int | None
    varnames: int | None
    cellvars: int | None
    freevars: int | None
    code_adaptive: int
    """The first instruction: what instruction pointers are relative to. 0 where ``lasti`` is counted from 0."""
    tlbc: int | None
    """Free-threaded 3.14+: ``co_tlbc``, the copies of the instructions that threads have of their own."""


class InstanceValues(enum.Enum):
    """Where an instance keeps its attributes while it has no ``__dict__`` (``Include/internal/pycore_dict.h``)."""

    POINTER_BEFORE_DICT = enum.auto()
    """3.11: a pointer to the values lies in the word before the managed dict pointer."""
    TAGGED_DICT = enum.auto()
    """3.12: the managed dict pointer itself; odd where it is the values' address less one."""
    BEHIND_OBJECT = enum.auto()
    """3.13+: the values follow the object's basic size, where the type has ``Py_TPFLAGS_INLINE_VALUES``."""


class ObjectLayout(msgspec.Struct, frozen=True):
    """Offsets in the built-in types that the reader follows; names as in the struct they are from.

    A dict is a table of slots (2.7), or keys and values of which a table keeps the indices (3.6+).
    """

    text_is_bytes: bool
    """2.7: names, and most text, are byte strings (``PyStringObject``, at ``bytes_size`` and ``bytes_data``)."""

    object_size: int
    """Of ``PyObject``: where the own fields of a type without a size begin."""
    ob_type: int
    type_name: int
    type_repr: int
    type_members: int
    """``tp_members``: array of ``PyMemberDef``; that of a class with ``__slots__`` lists them."""
    type_base: int
    type_dict: int
    """``tp_dict``; 0 in the static types of 3.12+."""
    type_mro: int
    type_flags: int
    type_basicsize: int
    type_dictoffset: int
    heap_type_cached_keys: int | None
    """3.3+: ``ht_cached_keys`` of ``PyHeapTypeObject``: the keys of split instance dicts and inline values."""
    heap_type_qualname: int | None
    """3.3+."""
    tuple_size: int
    tuple_items: int
    list_size: int
    list_items: int
    dict_table: int | None
    """2.7: ``ma_table``, slots of hash, key and value."""
    dict_mask: int | None
    """2.7: the number of slots less one."""
    dict_used: int
    """How many items there are."""
    dict_keys: int | None
    """3.3+."""
    dict_values: int | None
    """3.3+: of a split dict."""
    dict_values_items: int
    """Where the pointers begin in what ``dict_values`` points to: at its start, or behind its header (3.13+)."""
    dict_values_used: int | None
    """3.11+: the byte of ``PyDictValues`` that counts the values that are set."""
    dict_values_order: int | None
    """3.11, 3.12: the byte that holds which value was set first, the next ones before it. Later they follow the
    pointers, whose number is the first byte; before 3.11 values are set in the order of their keys."""
    dict_values_valid: int | None
    """3.13+: the byte of ``PyDictValues`` that is 0 once inline values have moved into a dict of their own."""
    keys_size: int | None
    """3.6 to 3.10: ``dk_size``, how many indices there are; its size tells theirs (1, 2, 4 or 8 bytes)."""
    keys_log2_index_bytes: int | None
    """3.11+: size of all indices."""
    keys_kind: int | None
    """3.11+; before, all entries are of hash, key and value."""
    keys_nentries: int | None
    keys_indices: int | None
    """3.6+: ``dk_indices`` of ``PyDictKeysObject``; the entries follow the indices."""
    set_used: int
    set_mask: int
    set_table: int
    set_entry_key: int
    """In a slot of the table, beside the hash."""
    function_code: int
    function_qualname: int | None
    """3.3+."""
    generator_qualname: int | None
    """3.5+. The same in generators, coroutines and asynchronous generators."""
    bytearray_start: int
    """``ob_start`` (2.7: ``ob_bytes``): pointer to the first byte."""
    float_value: int
    int_value: int | None
    """2.7: ``ob_ival`` of ``PyIntObject``, the small kind of number."""
    long_tag: int
    """3.12+: ``lv_tag``; before: ``ob_size``."""
    long_digits: int
    long_has_tag: bool
    bytes_size: int
    bytes_data: int
    unicode_length: int
    unicode_pointer: int | None
    """2.7: pointer to the data of a ``unicode``."""
    unicode_char_size: int | None
    """2.7: 2 or 4 bytes, by how it was built."""
    unicode_state: int
    """3.3+; in 2.7 this and the next three mean nothing."""
    unicode_ascii_data: int
    """Size of ``PyASCIIObject``: where the data of a compact ASCII string begins."""
    unicode_compact_data: int
    """Size of ``PyCompactUnicodeObject``: where the data of another compact string begins, and where the pointer
    to the data of a string that is not compact (an instance of a subclass) lies."""
    unicode_kind_shift: int
    """Bits of ``state`` below ``kind``; above it follow ``compact`` and ``ascii``, a bit each."""
    managed_dict_offset: int | None
    """3.11+, negative: offset *before* the object of the managed dict pointer."""
    instance_values: InstanceValues | None
    """3.11+."""


class DebugOffsetsSupplement(msgspec.Struct, frozen=True):
    """What a reader needs and ``_Py_DebugOffsets`` of a version (3.13+) does not tell."""

    gil_switch_number: int
    """From ``last_holder``: free-threaded builds have one more field before both."""
    executable_mask: int
    owners_without_code: frozenset[int]
    status_active: int
    status_finalizing: int
    interpreter_finalizing: int
    """From ``threads_head``: what lies before both is not the same in free-threaded builds."""
    exception_raised: int
    exception_handled: int
    owner_generator: int
    code_flags: int
    code_kwonlyargcount: int
    type_members: int
    type_base: int
    type_dict: int
    type_mro: int
    type_basicsize: int
    type_dictoffset: int
    heap_type_cached_keys: int
    heap_type_qualname: int
    set_used: int
    set_mask: int
    set_table: int
    function_code: int
    function_qualname: int
    generator_qualname: int
    bytearray_start: int
    dict_values_items: int
    dict_values_valid: int
    keys_log2_index_bytes: int
    keys_kind: int
    keys_nentries: int
    keys_indices: int
    unicode_compact_data: int
    unicode_kind_shift: int
    managed_dict_offset: int


class Layout(msgspec.Struct, frozen=True):
    """Everything the reader must know about one CPython."""

    version: tuple[int, int]
    free_threaded: bool
    runtime: RuntimeLayout
    interpreter: InterpreterLayout
    gil: GilLayout | None
    thread_state: ThreadStateLayout
    chunk: StackChunkLayout | None
    """3.11+."""
    frame: FrameLayout
    code: CodeLayout
    objects: ObjectLayout
    long_size: int = 8
    """Of C's ``unsigned long``: of the ids of threads, and of what counts the turns of a GIL. Windows: 4."""
