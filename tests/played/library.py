"""A C library whose functions are methods."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from nbspy.target.process import StopOutcome, ThreadStopper

INT, UINT, LONG, SIZE, POINTER = ctypes.c_int32, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p


def exported(result: Any, *arguments: Any) -> Callable[[Callable[..., int]], Any]:
    """Mark a method as a C function of these types."""

    def mark(method: Callable[..., int]) -> Any:
        method.prototype = ctypes.CFUNCTYPE(result, *arguments)
        return method

    return mark


def stand(stopper: ThreadStopper, thread: int) -> StopOutcome:
    """Stop a thread of Linux, however long it takes on a busy machine."""
    while (outcome := stopper.stop(thread)) is StopOutcome.TOO_SLOW:
        pass
    return outcome


class Library:
    """What ctypes would load: an attribute for each exported method of ``source``, and no other."""

    def __init__(self, source: object, *missing: str) -> None:
        self._source, self._missing = source, missing
        self._functions: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        method = None if name in self._missing else getattr(self._source, name, None)
        if not hasattr(method, "prototype"):
            raise AttributeError(f"function {name} not found")
        # One object a name, as ctypes has it; it keeps the types that its caller gives it.
        return self._functions.setdefault(name, method.prototype(method))


def store(address: int, data: bytes) -> None:
    """Write to memory of this process, as a kernel does."""
    ctypes.memmove(address, data, len(data))


def store_number(address: int | None, value: int, size: int = 4) -> None:
    if address:
        store(address, value.to_bytes(size, "little"))


def load_number(address: int, size: int = 4) -> int:
    return int.from_bytes(ctypes.string_at(address, size), "little")
