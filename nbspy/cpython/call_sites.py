"""Which function a call site calls, by what the interpreter itself has noted there.

Since 3.11 a call that is made a few times becomes, in the bytecode, one that is special to the function that it called:
``CALL_PY_EXACT_ARGS`` and its like, whose inline cache holds the version of that function (``func_version``). Versions
are given once, to a code object and the first functions that are made of it (``co_version``, 3.12+), or to a function
when it is first asked for (3.11). So where the version in the cache is that of the code that runs above the call, it
is certain that this site calls that code, however short the call, and that an address is that of a code object.

A site that resumes a generator or coroutine (``SEND``, ``FOR_ITER``) follows the call that made it by a fixed number of
code units, where it is written as ``await f()``, ``yield from f()`` or ``for ... in f()``.

A site that calls several functions has the version of one of them; calls that pass through C code, of classes, and of
generators made elsewhere have none; nor have builds that do not specialise (free-threaded 3.13). Nothing is proved
there.

Sources: ``Python/ceval.c`` and ``Python/bytecodes.c`` (what a caller's instruction pointer is during a call),
``Include/internal/pycore_code.h`` (``_PyCallCache``), ``Include/opcode.h`` and ``Include/opcode_ids.h``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from nbspy.cpython.code_object import CodeObject
from nbspy.cpython.layout import Layout
from nbspy.cpython.thread_state import word
from nbspy.errors import MemoryFault
from nbspy.target.memory import RemoteMemory

_VERSION_AT: Final = 4
"""Of ``func_version``, from the instruction: behind it and the counter, of one code unit each."""
_BEFORE: Final = 16
"""Bytes read before an instruction pointer: as far back as the call that made a generator may lie."""


class CallFields(NamedTuple):
    """What one version of CPython notes where it calls."""

    opcodes: frozenset[int]
    """Calls of Python functions that were specialised, with one cache: counter, ``func_version``."""
    behind: int
    """Bytes from the instruction to where the caller's instruction pointer is during the call."""
    resumes: Mapping[int, int]
    """Specialised instruction that resumes a generator -> bytes from the call that made it, if that is right before."""
    resumed_behind: int = 0
    """As ``behind``, of those."""
    function_version: int | None = None
    """3.11: offset of ``func_version`` in ``PyFunctionObject``; later the code object has it too (``co_version``)."""
    frame_function: int = 0
    """3.11: offset of ``f_func`` in the frame."""


CALLS: Final[dict[tuple[int, int], CallFields]] = {
    # CALL_PY_EXACT_ARGS, CALL_PY_WITH_DEFAULTS; four code units of cache. SEND, FOR_ITER: they have no special kind
    (3, 11): CallFields(frozenset({23, 24}), behind=8, resumes={123: 14, 93: 12}, function_version=128),
    # CALL_PY_EXACT_ARGS, CALL_PY_WITH_DEFAULTS, CALL_BOUND_METHOD_EXACT_ARGS; three code units of cache. SEND_GEN,
    # FOR_ITER_GEN
    (3, 12): CallFields(frozenset({23, 24, 28}), behind=6, resumes={168: 12, 65: 10}, resumed_behind=2),
    # CALL_BOUND_METHOD_EXACT_ARGS, CALL_BOUND_METHOD_GENERAL, CALL_PY_EXACT_ARGS, CALL_PY_GENERAL
    (3, 13): CallFields(frozenset({163, 164, 177, 178}), behind=0, resumes={208: 12, 187: 10}),
    # The same, and CALL_KW_BOUND_METHOD, CALL_KW_PY
    (3, 14): CallFields(frozenset({144, 145, 161, 162, 151, 153}), behind=0, resumes={197: 12, 171: 10}),
    # GET_ITER has a cache now, and a coroutine lies on the stack above a NULL
    (3, 15): CallFields(frozenset({145, 146, 164, 165, 154, 156}), behind=0, resumes={203: 14, 174: 12}),
}


class CallSites:
    """The call sites of one target."""

    def __init__(self, memory: RemoteMemory, layout: Layout, copied_from: int) -> None:
        """``copied_from``: the offset in a code object at which :attr:`CodeObject.copied` begins."""
        self._memory = memory
        self._fields = CALLS.get(layout.version)
        names = layout.code.localsplusnames
        # ``co_version`` is the last int before ``co_localsplusnames``.
        self._code_version_at = 0 if names is None else names - 4 - copied_from
        self._function_code = layout.objects.function_code

    @property
    def tell(self) -> bool:
        """True where this version notes what is called."""
        return self._fields is not None

    @property
    def frame_function(self) -> int | None:
        """Where a frame has the function that :meth:`calls` asks for; None where it needs none."""
        fields = self._fields
        return None if fields is None or fields.function_version is None else fields.frame_function

    def calls(self, site: int, code: CodeObject, function: int) -> bool | None:
        """True where it is certain that ``site`` calls ``code``, False where another was noted; None for no answer.

        ``site`` is the instruction pointer of the caller while it calls, 0 where C code does; ``function`` that of
        :attr:`frame_function` in the frame above it. Reads the target.
        """
        fields = self._fields
        if fields is None or not site:
            return None
        try:
            version = self._version(code, function)
            if not version:
                return None
            units = self._memory.read(site - _BEFORE, _BEFORE + _VERSION_AT + 4)
        except MemoryFault:
            return None  # no instruction lies there, or no function
        resumed = _BEFORE - fields.resumed_behind
        back = fields.resumes.get(units[resumed])
        at = _BEFORE - fields.behind if back is None else resumed - back
        if units[at] not in fields.opcodes:
            return None
        return units[at + _VERSION_AT : at + _VERSION_AT + 4] == version

    def _version(self, code: CodeObject, function: int) -> bytes:
        """Return the four bytes of the version of ``code``; b"" where it has none."""
        fields = self._fields
        assert fields is not None, "asked for sites that tell nothing"
        if fields.function_version is None:
            version = code.copied[self._code_version_at : self._code_version_at + 4]
        else:
            if not function:
                return b""
            size = fields.function_version + 4 - self._function_code
            data = self._memory.read(function + self._function_code, size)
            if word(data, 0) != code.address:
                return b""
            version = data[-4:]
        return b"" if version == b"\0\0\0\0" else version
