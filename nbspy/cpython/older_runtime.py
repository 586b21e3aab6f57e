"""What 2.7 and 3.6 have instead of ``_PyRuntime``: variables of ``Python/pystate.c`` and ``Python/ceval.c``.

``_PyThreadState_Current`` is exported. ``interp_head`` is static: its name is in ``.symtab`` where that was not
stripped, and ``PyInterpreterState_Head``, which is exported, does nothing but return it. The locks of the GIL are
static too; where they are not known no thread is said to wait for it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from nbspy.cpython.layout import Layout
from nbspy.target.memory import RemoteMemory

EXPORTED: Final = (
    "_PyThreadState_Current",
    "_Py_Finalizing",
    "PyInterpreterState_Head",
    "PyUnicodeUCS2_AsUTF8String",
)
STATIC: Final = (
    "interp_head",
    "interpreter_lock",
    "gil_cond",
    "gil_mutex",
    "switch_cond",
    "switch_mutex",
    "collecting",
)
_LOCKS: Final = {"gil_cond": 48, "gil_mutex": 40, "switch_cond": 48, "switch_mutex": 40}
"""Size of ``pthread_cond_t`` and ``pthread_mutex_t`` (glibc, x86-64)."""
_FUNCTION_BYTES: Final = 24
_BTI_C: Final = 0xD503245F
_RET: Final = 0xD65F03C0
_ADRP, _ADRP_MASK, _ADRP_PAGE = 0x90000000, 0x9F00001F, 4096
"""Into x0."""
_LDR, _LDR_MASK = 0xF9400000, 0xFFC003FF
"""x0 from x0 and an offset in units of 8 bytes."""
_RETURNS_VARIABLE: Final = rb"(?s)(?:\xf3\x0f\x1e\xfa)?(?:\x55\x48\x89\xe5)?\x48\x8b\x05(?P<offset>.{4})\x5d?\xc3"
"""x86-64: ``[endbr64] [push rbp; mov rbp, rsp] mov rax, [rip + offset] [pop rbp] ret``."""


class OlderStatics(msgspec.Struct, frozen=True):
    """Addresses of variables in the target."""

    interpreters_head: int
    current_thread_state: int
    locks: tuple[tuple[int, int], ...]
    """(start, end) of each condition variable and mutex of 3.6's GIL."""
    lock_pointer: int | None
    """2.7: of ``interpreter_lock``, which is NULL until a second thread is wanted, else points to the GIL."""
    finalizing: int | None
    """3.6: of ``_Py_Finalizing``, the thread state that ends Python."""
    collecting: int | None
    """Of the int ``collecting`` of ``Modules/gcmodule.c``, whose name only ``.symtab`` has."""


def find_statics(memory: RemoteMemory, symbols: Mapping[str, int]) -> OlderStatics | None:
    """Return the variables, given the addresses of those symbols that the target has; None where one is missing."""
    current = symbols.get("_PyThreadState_Current")
    head = symbols.get("interp_head")
    if head is None and "PyInterpreterState_Head" in symbols:
        head = _returned_variable(memory, symbols["PyInterpreterState_Head"])
    if head is None or current is None:
        return None
    locks = tuple((symbols[name], symbols[name] + size) for name, size in _LOCKS.items() if name in symbols)
    return OlderStatics(
        head,
        current,
        locks,
        symbols.get("interpreter_lock"),
        symbols.get("_Py_Finalizing"),
        symbols.get("collecting"),
    )


def layout_of_build(layout: Layout, symbols: Mapping[str, int]) -> Layout:
    """Return ``layout`` as the build in question has it: a 2.7 may keep ``unicode`` in units of two bytes."""
    if layout.objects.unicode_char_size is None or "PyUnicodeUCS2_AsUTF8String" not in symbols:
        return layout
    return replace(layout, objects=replace(layout.objects, unicode_char_size=2))


def _returned_variable(memory: RemoteMemory, function: int) -> int | None:
    """Return the address of the variable that a function returns; None where it is compiled in another way."""
    code = memory.read(function, _FUNCTION_BYTES)
    match = re.match(_RETURNS_VARIABLE, code)
    if match is None:
        return _returned_on_aarch64(struct.unpack("<6I", code), function)
    return function + match.end("offset") + int.from_bytes(match["offset"], "little", signed=True)


def _returned_on_aarch64(code: tuple[int, ...], function: int) -> int | None:
    """``[bti c;] adrp x0, page; ldr x0, [x0, #offset]; ret`` ("Arm A-profile A64 Instruction Set"); untested there."""
    if code[0] == _BTI_C:
        code, function = code[1:], function + 4
    page, load, end = code[:3]
    if page & _ADRP_MASK != _ADRP or load & _LDR_MASK != _LDR or end != _RET:
        return None
    low, high = page >> 29 & 3, page >> 5 & 0x7FFFF
    pages = high << 2 | low
    pages -= (pages & 1 << 20) << 1  # 21 bits, signed
    return (function & -_ADRP_PAGE) + pages * _ADRP_PAGE + (load >> 10 & 0xFFF) * 8
