"""Interpreters and their thread states: ``PyInterpreterState`` and ``PyThreadState``.

``_PyRuntime.interpreters.head`` is the newest interpreter, ``next`` leads to the older ones; each has a list of thread
states. The lists are changed under the runtime's lock, not under the GIL, so every link is checked: a thread state must
name the interpreter it was found in.
"""

from __future__ import annotations

import struct

import msgspec
from msgspec.structs import replace

from nbspy.cpython.layout import Layout
from nbspy.cpython.runtime import Runtime
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.memory import RemoteMemory

MAX_THREADS = 4096
MAX_INTERPRETERS = 4096
_WORD = struct.Struct("<Q")


class TooManyThreads(CorruptTarget):
    """More threads than :data:`MAX_THREADS`; to look again does not help."""


def word(data: bytes | bytearray, offset: int) -> int:
    """Return the unsigned 64-bit word at ``offset``."""
    value: int = _WORD.unpack_from(data, offset)[0]
    return value


class ThreadState(msgspec.Struct, frozen=True):
    """One ``PyThreadState``, as far as it does not change while the thread lives."""

    address: int
    interpreter: int
    """Address of its interpreter."""
    thread_id: int
    native_thread_id: int
    """0 where it is not known (<= 3.10, before the C library was asked)."""


class Interpreter(msgspec.Struct, frozen=True):
    """One ``PyInterpreterState`` and its threads, oldest first."""

    address: int
    id: int
    gil: int | None
    """Address of its ``struct _gil_runtime_state`` (3.12+); interpreters may share one."""
    modules: int
    """Address of its ``sys.modules``."""
    threads: tuple[ThreadState, ...]


def read_interpreters(memory: RemoteMemory, runtime: Runtime) -> list[Interpreter]:
    """Return all interpreters, the main one first; an empty list while Python starts.

    Raises :class:`~nbspy.errors.CorruptTarget` where a list has no end or a link is wrong, :class:`TooManyThreads`,
    :class:`~nbspy.errors.MemoryFault` where it leads outside.
    """
    layout = runtime.layout
    found: list[Interpreter] = []
    seen: set[int] = set()
    address = word(memory.read(runtime.address + layout.runtime.interpreters_head, 8), 0)
    while address:
        if address in seen or len(seen) >= MAX_INTERPRETERS:
            raise CorruptTarget("the list of interpreters has no end")
        seen.add(address)
        interpreter, address = _read_interpreter(memory, layout, address)
        found.append(interpreter)
    found.reverse()
    if layout.interpreter.id is None:
        # 2.7 and 3.6 do not number them: in the order of their making, as the others do.
        found = [replace(interpreter, id=number) for number, interpreter in enumerate(found)]
    return found


def _read_interpreter(memory: RemoteMemory, layout: Layout, address: int) -> tuple[Interpreter, int]:
    fields = layout.interpreter
    wanted = [fields.next, fields.threads_head, fields.imports_modules]
    wanted += [offset for offset in (fields.id, fields.ceval_gil) if offset is not None]
    parts = memory.read_many([(address + offset, 8) for offset in wanted])
    values = {offset: word(part, 0) for offset, part in zip(wanted, parts, strict=True)}
    threads = read_threads(memory, layout, address, values[fields.threads_head])
    interpreter = Interpreter(
        address=address,
        id=0 if fields.id is None else values[fields.id],
        gil=None if fields.ceval_gil is None else values[fields.ceval_gil],
        modules=values[fields.imports_modules],
        threads=tuple(reversed(threads)),
    )
    return interpreter, values[fields.next]


def _id(data: bytes, offset: int | None, size: int) -> int:
    """Return an ``unsigned long``; 0 where there is no such field."""
    return 0 if offset is None else int.from_bytes(data[offset : offset + size], "little")


def read_threads(memory: RemoteMemory, layout: Layout, interpreter: int, head: int) -> list[ThreadState]:
    """Return the thread states of one interpreter, newest first (the order of the list)."""
    fields = layout.thread_state
    threads: list[ThreadState] = []
    seen: set[int] = set()
    address = head
    while address:
        if address in seen:
            raise CorruptTarget("the list of threads has no end")
        if len(threads) >= MAX_THREADS:
            raise TooManyThreads(f"the process has more than {MAX_THREADS} threads", "nbspy reads no more than that")
        seen.add(address)
        try:
            data = memory.read(address, fields.size)
        except MemoryFault as err:
            raise CorruptTarget("the list of threads leads outside the process") from err
        if word(data, fields.interp) != interpreter:
            raise CorruptTarget("a thread state names another interpreter")
        threads.append(
            ThreadState(
                address=address,
                interpreter=interpreter,
                thread_id=_id(data, fields.thread_id, layout.long_size),
                native_thread_id=_id(data, fields.native_thread_id, layout.long_size),
            )
        )
        address = word(data, fields.next)
    return threads
