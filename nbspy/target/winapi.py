"""The calls of Windows that reading a process takes, typed once: ``kernel32``, ``psapi`` (in it) and ``ntdll``.

Structs are those of 64-bit Windows, where ``long`` has 32 bits. A call that fails becomes :class:`WindowsError` here
and nowhere else; a handle is a number that belongs to this process, and is closed.
"""

from __future__ import annotations

import ctypes
import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nbspy.target.foreign import bind

_BOOL = ctypes.c_int
_DWORD = ctypes.c_uint32
_HANDLE = ctypes.c_void_p
_SIZE = ctypes.c_size_t
_POINTER = ctypes.c_void_p
_NTSTATUS = ctypes.c_int32
MAX_PATH: Final = 32_768
"""Characters of the longest path."""
MAX_SNAPSHOT_BYTES: Final = 64 << 20
MAX_MODULES: Final = 16_384
_SYSTEM_PROCESS_INFORMATION: Final = 5
_STATUS_INFO_LENGTH_MISMATCH: Final = -0x3FFFFFFC
"""0xC0000004 as a signed number."""
_WAIT_TIMEOUT: Final = 258
_MODULES_OF_ALL_KINDS: Final = 3
_PROCESS: Final = struct.Struct("<II72xQ")
"""``SYSTEM_PROCESS_INFORMATION``: offset of the next, number of threads, ..., id of the process (at 80)."""
_PROCESS_SIZE: Final = 256
_THREAD: Final = struct.Struct("<48xQ12xIII")
"""``SYSTEM_THREAD_INFORMATION``: ..., id of the thread (at 48), ..., state (at 68), reason of waiting (at 72)."""
_THREAD_SIZE: Final = 80


class Access(enum.IntFlag):
    """Rights that are asked for with a handle."""

    PROCESS_VM_READ = 0x10
    PROCESS_QUERY_INFORMATION = 0x400
    SYNCHRONIZE = 0x100000
    THREAD_SUSPEND_RESUME = 0x2
    THREAD_GET_CONTEXT = 0x8
    THREAD_SET_INFORMATION = 0x20
    THREAD_QUERY_LIMITED_INFORMATION = 0x800
    THREAD_STATE_CHANGE_STATE = 0x1
    """On a state change object. The thread's handle must have SET_INFORMATION besides SUSPEND_RESUME."""


class Code(enum.IntEnum):
    """Errors by their numbers (``winerror.h``)."""

    ACCESS_DENIED = 5
    INVALID_HANDLE = 6
    INVALID_PARAMETER = 87
    PARTIAL_COPY = 299
    NOACCESS = 998


class ThreadState(enum.IntEnum):
    """``KTHREAD_STATE``."""

    INITIALIZED = 0
    READY = 1
    RUNNING = 2
    STANDBY = 3
    TERMINATED = 4
    WAITING = 5
    TRANSITION = 6
    DEFERRED_READY = 7


class Page(enum.IntFlag):
    """Protection of pages (``winnt.h``)."""

    NOACCESS = 0x01
    READONLY = 0x02
    READWRITE = 0x04
    WRITECOPY = 0x08
    EXECUTE = 0x10
    EXECUTE_READ = 0x20
    EXECUTE_READWRITE = 0x40
    EXECUTE_WRITECOPY = 0x80
    GUARD = 0x100


COMMITTED: Final = 0x1000
"""``MEM_COMMIT``."""
READABLE: Final = (
    Page.READONLY
    | Page.READWRITE
    | Page.WRITECOPY
    | Page.EXECUTE_READ
    | Page.EXECUTE_READWRITE
    | Page.EXECUTE_WRITECOPY
)
WRITABLE: Final = Page.READWRITE | Page.WRITECOPY | Page.EXECUTE_READWRITE | Page.EXECUTE_WRITECOPY
EXECUTABLE: Final = Page.EXECUTE | Page.EXECUTE_READ | Page.EXECUTE_READWRITE | Page.EXECUTE_WRITECOPY


class _StateChange(enum.IntEnum):
    """``THREAD_STATE_CHANGE_TYPE``."""

    SUSPEND = 0
    RESUME = 1


class _MemoryInfo(ctypes.Structure):
    """``MEMORY_BASIC_INFORMATION``."""

    _fields_ = (
        ("base", ctypes.c_uint64),
        ("allocation_base", ctypes.c_uint64),
        ("allocation_protect", ctypes.c_uint32),
        ("partition", ctypes.c_uint16),
        ("size", ctypes.c_uint64),
        ("state", ctypes.c_uint32),
        ("protect", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
    )


@dataclass(frozen=True, slots=True)
class ContextLayout:
    """``CONTEXT`` of one machine: where its flags lie, and those that ask for the control registers."""

    size: int
    flags_at: int
    control: int


CONTEXTS: Final = {
    "amd64": ContextLayout(size=1232, flags_at=0x30, control=0x100001),
    "arm64": ContextLayout(size=912, flags_at=0, control=0x400001),
}
_CONTEXT_ALIGNMENT: Final = 16


class WinError(Exception):
    """A call failed; ``code`` is what GetLastError said, or an NTSTATUS."""

    def __init__(self, call: str, code: int) -> None:
        super().__init__(f"{call} failed with {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Region:
    """A range of a process's memory."""

    start: int
    size: int
    image: int
    """Where the allocation begins that it is part of: the base address of a module."""
    committed: bool
    protection: int


class WinApi:
    """The functions, on behalf of this process."""

    def __init__(self, kernel32: Any, ntdll: Any, last_error: Callable[[], int], machine: str) -> None:
        """``machine``: a key of :data:`CONTEXTS`; that of this interpreter."""
        self._last_error = last_error
        self._context = CONTEXTS[machine]

        def kernel(name: str, result: Any, *arguments: Any) -> Any:
            return bind(kernel32, name, result, *arguments)

        self._open_process = kernel("OpenProcess", _HANDLE, _DWORD, _BOOL, _DWORD)
        self._open_thread = kernel("OpenThread", _HANDLE, _DWORD, _BOOL, _DWORD)
        self._close = kernel("CloseHandle", _BOOL, _HANDLE)
        self._read = kernel(
            "ReadProcessMemory", _BOOL, _HANDLE, ctypes.c_uint64, _POINTER, _SIZE, ctypes.POINTER(_SIZE)
        )
        self._query = kernel("VirtualQueryEx", _SIZE, _HANDLE, ctypes.c_uint64, _POINTER, _SIZE)
        self._wait = kernel("WaitForSingleObject", _DWORD, _HANDLE, _DWORD)
        self._get_context = kernel("GetThreadContext", _BOOL, _HANDLE, _POINTER)
        self._free = kernel("LocalFree", _HANDLE, _HANDLE)
        self._modules = kernel(
            "K32EnumProcessModulesEx", _BOOL, _HANDLE, _POINTER, _DWORD, ctypes.POINTER(_DWORD), _DWORD
        )
        self._module_path = kernel("K32GetModuleFileNameExW", _DWORD, _HANDLE, _HANDLE, _POINTER, _DWORD)
        self._description = kernel("GetThreadDescription", ctypes.c_int32, _HANDLE, ctypes.POINTER(_POINTER))
        self._snapshot = bind(
            ntdll, "NtQuerySystemInformation", _NTSTATUS, ctypes.c_int, _POINTER, _DWORD, ctypes.POINTER(_DWORD)
        )
        self._make_change, self._change = _state_changes(ntdll)
        self._got = _SIZE()
        self._got_reference = ctypes.byref(self._got)

    @property
    def can_stop(self) -> bool:
        """True where a stopped thread runs again when we die (Windows 11 and later)."""
        return self._change is not None

    def _handle(self, call: str, handle: int | None) -> int:
        if not handle:
            raise WinError(call, self._last_error())
        return handle

    def open_process(self, pid: int, access: Access) -> int:
        """Return a handle; raises :class:`WinError`."""
        return self._handle("OpenProcess", self._open_process(access, 0, pid))

    def open_thread(self, thread: int, access: Access) -> int:
        """Return a handle; raises :class:`WinError`."""
        return self._handle("OpenThread", self._open_thread(access, 0, thread))

    def close(self, handle: int) -> None:
        """Let go of a handle."""
        self._close(handle)

    def copy(self, process: int, address: int, size: int, local: int) -> int:
        """Copy ``size`` bytes at ``address`` to the local address ``local``; return 0, or the :class:`Code`."""
        if self._read(process, address, local, size, self._got_reference):
            return 0 if self._got.value == size else Code.PARTIAL_COPY
        return self._last_error() or Code.PARTIAL_COPY

    def region(self, process: int, address: int) -> Region | None:
        """Return the range that ``address`` lies in; None above the last."""
        info = _MemoryInfo()
        if not self._query(process, address, ctypes.byref(info), ctypes.sizeof(info)):
            return None
        return Region(info.base, info.size, info.allocation_base, info.state == COMMITTED, info.protect)

    def modules(self, process: int) -> dict[int, str]:
        """Return the path of each loaded module by its base address; raises :class:`WinError`."""
        handles, needed = (ctypes.c_uint64 * MAX_MODULES)(), _DWORD()
        size = ctypes.sizeof(handles)
        if not self._modules(process, handles, size, ctypes.byref(needed), _MODULES_OF_ALL_KINDS):
            raise WinError("EnumProcessModulesEx", self._last_error())
        found = {}
        buffer = ctypes.create_string_buffer(2 * MAX_PATH)
        for base in handles[: min(needed.value, size) // 8]:
            length = self._module_path(process, base, buffer, MAX_PATH)
            found[base] = buffer.raw[: 2 * min(length, MAX_PATH)].decode("utf-16-le", "surrogatepass")
        return found

    def has_ended(self, process: int) -> bool:
        """True where the process is over; its pid belongs to nobody else while the handle is open."""
        return bool(self._wait(process, 0) != _WAIT_TIMEOUT)

    def threads(self, pid: int) -> dict[int, int]:
        """Return the :class:`ThreadState` of each thread of a process by its id; raises :class:`WinError`.

        Windows lists the threads of all processes at once: half a millisecond on a quiet machine.
        """
        size = 1 << 20
        while True:
            buffer, needed = ctypes.create_string_buffer(size), _DWORD()
            status = self._snapshot(_SYSTEM_PROCESS_INFORMATION, buffer, size, ctypes.byref(needed))
            if status >= 0:
                return threads_of(memoryview(buffer)[: min(size, needed.value or size)], pid)
            if status != _STATUS_INFO_LENGTH_MISMATCH or size >= MAX_SNAPSHOT_BYTES:
                raise WinError("NtQuerySystemInformation", status)
            size = min(MAX_SNAPSHOT_BYTES, max(2 * size, needed.value + (1 << 16)))

    def thread_name(self, thread: int) -> str:
        """Return what a thread was named with SetThreadDescription; "" for nothing."""
        try:
            handle = self.open_thread(thread, Access.THREAD_QUERY_LIMITED_INFORMATION)
        except WinError:
            return ""
        try:
            text = _POINTER()
            if self._description(handle, ctypes.byref(text)) < 0 or not text.value:
                return ""
            try:
                return _wide_text(text.value)
            finally:
                self._free(text.value)
        finally:
            self.close(handle)

    def suspend(self, thread: int) -> int:
        """Stop the thread behind a handle; return what keeps it so, to be closed. Raises :class:`WinError`.

        Not with SuspendThread, which outlives whoever calls it: what is suspended through a state change object runs
        again when the last handle of that is closed, which the system does for a process that is killed.
        """
        assert self._make_change is not None
        assert self._change is not None
        change = _HANDLE()
        status = self._make_change(ctypes.byref(change), Access.THREAD_STATE_CHANGE_STATE, None, thread, 0)
        if status < 0 or not change.value:
            raise WinError("NtCreateThreadStateChange", status)
        status = self._change(change.value, thread, _StateChange.SUSPEND, None, 0, 0)
        # The thread is only asked to stop: it stands when its registers can be had.
        if status < 0 or not self._registers(thread):
            code = status if status < 0 else self._last_error()
            self.close(change.value)
            raise WinError("NtChangeThreadState", code)
        return change.value

    def _registers(self, thread: int) -> bool:
        layout = self._context
        buffer = ctypes.create_string_buffer(layout.size + _CONTEXT_ALIGNMENT)
        place = -ctypes.addressof(buffer) % _CONTEXT_ALIGNMENT
        struct.pack_into("<I", buffer, place + layout.flags_at, layout.control)
        return bool(self._get_context(thread, ctypes.addressof(buffer) + place))

    def resume(self, thread: int, change: int) -> None:
        """Let a thread go that was stopped with :meth:`suspend`."""
        assert self._change is not None
        self._change(change, thread, _StateChange.RESUME, None, 0, 0)
        self.close(change)


def threads_of(snapshot: memoryview, pid: int) -> dict[int, int]:
    """Return state by thread id of one process in what NtQuerySystemInformation says of all."""
    at = 0
    while at + _PROCESS_SIZE <= len(snapshot):
        following, count, process = _PROCESS.unpack_from(snapshot, at)
        if process == pid:
            first = at + _PROCESS_SIZE
            rows = snapshot[first : first + min(count, (len(snapshot) - first) // _THREAD_SIZE) * _THREAD_SIZE]
            found = (_THREAD.unpack_from(rows, row) for row in range(0, len(rows), _THREAD_SIZE))
            return {thread: state for thread, state, _, _ in found}
        if not following:
            break
        at += following
    return {}


def _wide_text(address: int, most: int = 1024) -> str:
    """Return the zero-terminated UTF-16 text at a local address."""
    units = []
    for index in range(most):
        unit = ctypes.c_uint16.from_address(address + 2 * index).value
        if not unit:
            break
        units.append(unit)
    return struct.pack(f"<{len(units)}H", *units).decode("utf-16-le", "replace")


def _state_changes(ntdll: Any) -> tuple[Callable[..., int] | None, Callable[..., int] | None]:
    """The two calls that stop a thread for as long as a handle is open; Windows 10 has not got them."""
    try:
        make = bind(
            ntdll,
            "NtCreateThreadStateChange",
            _NTSTATUS,
            ctypes.POINTER(_HANDLE),
            _DWORD,
            _POINTER,
            _HANDLE,
            ctypes.c_uint64,
        )
        change = bind(
            ntdll, "NtChangeThreadState", _NTSTATUS, _HANDLE, _HANDLE, ctypes.c_int, _POINTER, _SIZE, ctypes.c_uint64
        )
    except AttributeError:
        return None, None
    return make, change


def load_winapi() -> WinApi:
    """Return the functions of this system's own libraries; only on Windows."""
    import sysconfig

    load: Any = getattr(ctypes, "WinDLL")  # noqa: B009  # no such name where this is type-checked
    last_error: Any = getattr(ctypes, "get_last_error")  # noqa: B009
    machine = sysconfig.get_platform().removeprefix("win-")
    return WinApi(load("kernel32", use_last_error=True), load("ntdll"), last_error, machine)
