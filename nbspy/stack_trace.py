"""The value types of a stack trace: what one thread of one process was doing at one instant.

Names, fields and status words are those of py-spy's ``StackTrace``, so that its users and its JSON
consumers find the same words here. Pure values: nothing in this module reads a process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from nbspy.errors import StreamError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LocalVariable:
    """One local variable of a frame."""

    name: str
    addr: int
    """Address of the object in the target."""
    arg: bool
    """True where the variable is one of the function's arguments."""
    repr: str | None


@dataclass(frozen=True, slots=True)
class Frame:
    """One entry of a stack trace."""

    name: str
    """Function name: the qualified name where the interpreter keeps it (3.11+)."""
    filename: str
    """File name as compiled into the code object; "" for synthetic frames."""
    module: str | None
    """Dotted module name, derived from the file's place in its package; None where there is no file."""
    short_filename: str | None
    """File name relative to the folder above the outermost package."""
    line: int
    """Line number, 1-based; 0 where it is unknown."""
    locals: tuple[LocalVariable, ...] | None = None
    is_entry: bool = False
    """True where the interpreter's C evaluation loop was entered for this frame."""
    is_shim_entry: bool = False
    """True where a C-owned shim frame (3.12+) lies directly below this frame."""
    column: int | None = None
    """3.11+: where on ``line`` what runs begins, from 0, in bytes of UTF-8, as ``co_positions()`` counts; None where
    the compiler left it out, as with ``-X no_debug_ranges``, or where ``line`` is not the one that runs."""
    end_line: int | None = None
    """The line on which it ends."""
    end_column: int | None = None
    """The column behind its end."""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A process and its chain of parents."""

    pid: int
    command_line: str
    parent: ProcessInfo | None = None

    def to_frame(self) -> Frame:
        """Return the process as a synthetic frame, to stand at the root of its threads' stacks."""
        return Frame(
            name=f'process {self.pid}:"{self.command_line}"',
            filename="",
            module=None,
            short_filename=None,
            line=0,
            is_entry=True,
            is_shim_entry=True,
        )


@dataclass(frozen=True, slots=True)
class StackTrace:
    """The stack of one thread; ``frames`` has the leaf (the function that runs) first."""

    pid: int
    thread_id: int
    """``threading.get_ident()`` of the thread (on Linux the pthread handle)."""
    thread_name: str | None
    os_thread_id: int | None
    """``threading.get_native_id()`` of the thread; None where it is unknown."""
    active: bool
    owns_gil: bool
    frames: tuple[Frame, ...]
    process_info: ProcessInfo | None = None
    states: tuple[str, ...] = ()
    """What is so beside ``status``: ``gil-wait`` (waits for the GIL), ``gc`` (a garbage collection runs on it),
    ``exception`` (handles one) and ``finalizing`` (it, its interpreter or its process ends)."""
    interpreter: int = 0
    """Number of its interpreter; 0 is the main one."""

    @property
    def status(self) -> str:
        """``idle``, ``active`` or ``active+gil``."""
        if not self.active:
            return "idle"
        return "active+gil" if self.owns_gil else "active"

    def format_thread_id(self) -> str:
        """Return the OS thread id in decimal where it is known, else the Python thread id in hex."""
        return str(self.os_thread_id) if self.os_thread_id is not None else f"{self.thread_id:#X}"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values, under the same names."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Dump:
    """All threads of one process at one instant."""

    traces: tuple[StackTrace, ...]
    pid: int
    command_line: str
    python_version: str
    """As in ``3.13.0``."""


def dump_from_json(values: object) -> Dump:
    """Return the dump that ``dataclasses.asdict`` took apart; raises :class:`StreamError` where the values are none."""
    return _convert(values, Dump, "a dump")


def from_json(values: object) -> list[StackTrace]:
    """Return the traces that :func:`to_json` made; raises :class:`StreamError` where the values are none."""
    return _convert(values, list[StackTrace], "an array of stack traces")


def _convert(values: object, kind: type[T], what: str) -> T:
    import msgspec

    try:
        return msgspec.convert(values, kind)
    except (msgspec.ValidationError, RecursionError) as err:
        raise StreamError(f"not {what}: {err}") from err


def to_json(traces: Sequence[StackTrace]) -> list[dict[str, Any]]:
    """Return ``traces`` as JSON-ready values: an array of objects with the fields of :class:`StackTrace`."""
    return [trace.to_json() for trace in traces]
