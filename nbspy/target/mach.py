"""The calls of macOS that reading a process takes, typed once: Mach (``mach/*.h``) and ``libproc.h`` of the SDK.

Structs of ``mach/vm_region.h`` are packed to 4 bytes. Ports are numbers that belong to this process, and are let go.
"""

from __future__ import annotations

import ctypes
import enum
import os
from dataclasses import dataclass
from typing import Any, Final

from nbspy.target.foreign import bind

_PORT = ctypes.c_uint32
_KERN_RETURN = ctypes.c_int
_ADDRESS = ctypes.c_uint64
_MAX_PATH: Final = 4096
"""``PROC_PIDPATHINFO_MAXSIZE``: what ``proc_regionfilename`` is given."""
MAX_THREADS: Final = 65_536
MACH_SEND_INVALID_DEST: Final = 0x10000003


class Result(enum.IntEnum):
    """``mach/kern_return.h``."""

    SUCCESS = 0
    INVALID_ADDRESS = 1
    PROTECTION_FAILURE = 2
    INVALID_ARGUMENT = 4
    FAILURE = 5
    NO_ACCESS = 8
    MEMORY_FAILURE = 9
    MEMORY_ERROR = 10
    INVALID_NAME = 15
    INVALID_TASK = 16
    TERMINATED = 37


class Protection(enum.IntFlag):
    """``mach/vm_prot.h``."""

    READ = 1
    WRITE = 2
    EXECUTE = 4


class RunState(enum.IntEnum):
    """``TH_STATE_*`` of ``mach/thread_info.h``."""

    RUNNING = 1
    STOPPED = 2
    WAITING = 3
    UNINTERRUPTIBLE = 4
    HALTED = 5


class _Flavor(enum.IntEnum):
    REGION_BASIC_INFO_64 = 9
    THREAD_IDENTIFIER_INFO = 4
    THREAD_EXTENDED_INFO = 5


class _RegionInfo(ctypes.Structure):
    """``vm_region_basic_info_64``."""

    _pack_ = 4
    _fields_ = (
        ("protection", ctypes.c_int32),
        ("max_protection", ctypes.c_int32),
        ("inheritance", ctypes.c_uint32),
        ("shared", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("offset", ctypes.c_uint64),
        ("behavior", ctypes.c_int32),
        ("user_wired_count", ctypes.c_uint16),
    )


class _ThreadIdentifier(ctypes.Structure):
    """``thread_identifier_info``."""

    _fields_ = (
        ("thread_id", ctypes.c_uint64),
        ("thread_handle", ctypes.c_uint64),
        ("dispatch_queue_address", ctypes.c_uint64),
    )


class _ThreadExtended(ctypes.Structure):
    """``thread_extended_info``."""

    _fields_ = (
        ("user_time", ctypes.c_uint64),
        ("system_time", ctypes.c_uint64),
        ("cpu_usage", ctypes.c_int32),
        ("policy", ctypes.c_int32),
        ("run_state", ctypes.c_int32),
        ("flags", ctypes.c_int32),
        ("sleep_time", ctypes.c_int32),
        ("current_priority", ctypes.c_int32),
        ("priority", ctypes.c_int32),
        ("maximum_priority", ctypes.c_int32),
        ("name", ctypes.c_char * 64),
    )


def _words(structure: type[ctypes.Structure]) -> int:
    """How Mach counts the size of what it fills in: in ints."""
    return ctypes.sizeof(structure) // 4


class MachError(Exception):
    """A call failed; ``code`` is its ``kern_return_t``."""

    def __init__(self, call: str, code: int) -> None:
        name = Result(code).name if code in Result.__members__.values() else hex(code)
        super().__init__(f"{call}: {name}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Region:
    """A range of a task's memory."""

    start: int
    size: int
    protection: Protection
    offset: int


class Mach:
    """The functions of ``libSystem``, on behalf of this process (``own_task``)."""

    def __init__(self, library: Any, own_task: int) -> None:
        self._own = own_task
        pointer, count = ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint32)
        sizes = ctypes.POINTER(ctypes.c_uint64)

        def kernel(name: str, *arguments: Any) -> Any:
            return bind(library, name, _KERN_RETURN, *arguments)

        self._task_for_pid = kernel("task_for_pid", _PORT, ctypes.c_int, ctypes.POINTER(_PORT))
        self._read = kernel("mach_vm_read_overwrite", _PORT, _ADDRESS, _ADDRESS, _ADDRESS, sizes)
        self._region = kernel(
            "mach_vm_region", _PORT, sizes, sizes, ctypes.c_int, pointer, count, ctypes.POINTER(_PORT)
        )
        self._task_threads = kernel("task_threads", _PORT, ctypes.POINTER(ctypes.c_void_p), count)
        self._thread_info = kernel("thread_info", _PORT, ctypes.c_int, pointer, count)
        self._suspend = kernel("task_suspend2", _PORT, ctypes.POINTER(_PORT))
        self._resume = kernel("task_resume2", _PORT)
        self._deallocate_port = kernel("mach_port_deallocate", _PORT, _PORT)
        self._deallocate = kernel("mach_vm_deallocate", _PORT, _ADDRESS, _ADDRESS)
        self._region_path = bind(
            library, "proc_regionfilename", ctypes.c_int, ctypes.c_int, _ADDRESS, pointer, ctypes.c_uint32
        )
        self._got = ctypes.c_uint64()
        self._got_reference = ctypes.byref(self._got)

    def task_for_pid(self, pid: int) -> int:
        """Return the port of a process's task; raises :class:`MachError`."""
        port = _PORT()
        _check("task_for_pid", self._task_for_pid(self._own, pid, ctypes.byref(port)))
        return port.value

    def copy(self, task: int, address: int, size: int, local: int) -> int:
        """Copy ``size`` bytes at ``address`` of the task to the local address ``local``; return a :class:`Result`."""
        code: int = self._read(task, address, size, local, self._got_reference)
        return code if code or self._got.value == size else Result.INVALID_ADDRESS

    def region(self, task: int, address: int) -> Region | None:
        """Return the range at or above ``address``; None where there is none. Raises :class:`MachError`."""
        start, size = ctypes.c_uint64(address), ctypes.c_uint64()
        info, count, name = _RegionInfo(), ctypes.c_uint32(_words(_RegionInfo)), _PORT()
        code = self._region(
            task,
            ctypes.byref(start),
            ctypes.byref(size),
            _Flavor.REGION_BASIC_INFO_64,
            ctypes.byref(info),
            ctypes.byref(count),
            ctypes.byref(name),
        )
        if code == Result.INVALID_ADDRESS:
            return None
        _check("mach_vm_region", code)
        if name.value:
            self.release(name.value)
        return Region(start.value, size.value, Protection(info.protection & 7), info.offset)

    def region_path(self, pid: int, address: int) -> str:
        """Return the file that is mapped at ``address``; "" for none."""
        buffer = ctypes.create_string_buffer(_MAX_PATH)
        length = self._region_path(pid, address, buffer, len(buffer))
        return os.fsdecode(buffer.raw[: max(0, min(length, _MAX_PATH))].rstrip(b"\0"))

    def threads(self, task: int) -> list[int]:
        """Return a port for each thread of the task, to be released; raises :class:`MachError`."""
        ports, count = ctypes.c_void_p(), ctypes.c_uint32()
        _check("task_threads", self._task_threads(task, ctypes.byref(ports), ctypes.byref(count)))
        if not ports.value:
            return []
        try:
            return list((_PORT * count.value).from_address(ports.value)) if count.value <= MAX_THREADS else []
        finally:
            self._deallocate(self._own, ports.value, count.value * ctypes.sizeof(_PORT))

    def thread_id(self, thread: int) -> int:
        """Return the id that ``pthread_threadid_np`` gives the thread itself; raises :class:`MachError`."""
        info = _ThreadIdentifier()
        self._fill(thread, _Flavor.THREAD_IDENTIFIER_INFO, info)
        return int(info.thread_id)

    def thread_state(self, thread: int) -> tuple[int, str]:
        """Return the :class:`RunState` and the name of a thread; raises :class:`MachError`."""
        info = _ThreadExtended()
        self._fill(thread, _Flavor.THREAD_EXTENDED_INFO, info)
        return int(info.run_state), bytes(info.name).decode("utf-8", "replace")

    def _fill(self, thread: int, flavor: _Flavor, info: ctypes.Structure) -> None:
        count = ctypes.c_uint32(_words(type(info)))
        _check("thread_info", self._thread_info(thread, flavor, ctypes.byref(info), ctypes.byref(count)))

    def suspend(self, task: int) -> int:
        """Stop all threads of a task; return the token that keeps them so. Raises :class:`MachError`.

        They stand when this returns. Where the token is lost, because this process ends, they run again
        (``task_suspension_no_senders`` in ``osfmk/kern/task.c``): that is why not a single thread is stopped, whose
        suspension would outlive us.
        """
        token = _PORT()
        _check("task_suspend2", self._suspend(task, ctypes.byref(token)))
        return token.value

    def resume(self, token: int) -> None:
        """Let the threads go; a task that is gone needs it no more."""
        self._resume(token)

    def release(self, port: int) -> None:
        """Let go of a port."""
        self._deallocate_port(self._own, port)


def _check(call: str, code: int) -> None:
    if code != Result.SUCCESS:
        raise MachError(call, code)


def load_mach() -> Mach:
    """Return the functions of this system's own library; only on macOS."""
    library = ctypes.CDLL("/usr/lib/libSystem.B.dylib", use_errno=True)
    return Mach(library, _PORT.in_dll(library, "mach_task_self_").value)
