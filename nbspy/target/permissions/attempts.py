"""What the kernel answers when it is asked, on Linux: the evidence that counts most.

Nothing here changes a process: memory is asked for at an address that nobody maps, so that a permitted read fails
only with EFAULT (the permission is checked first, process_vm_rw in mm/process_vm_access.c).
"""

from __future__ import annotations

import ctypes
import errno
import os
from dataclasses import dataclass

from nbspy.target.own_thread import in_own_thread

_UNMAPPED = 0x10
_SEIZE = 0x4206


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_size_t), ("length", ctypes.c_size_t))


@dataclass(frozen=True, slots=True)
class Attempts:
    """What was tried; each is 0 where it is permitted, else the errno of the refusal."""

    signal: int
    """Signal 0, sent to the process: ESRCH where there is none, even where ``/proc`` hides it."""
    own_memory: int
    """process_vm_readv on ourselves, which only a filter can refuse, and a kernel without it."""
    memory: int
    """process_vm_readv on the process."""
    memory_file: int
    """Opening ``/proc/PID/mem``."""
    files: int
    """Reading ``/proc/PID/maps``."""
    tracing: int
    """ptrace(2) on no process at all, which only a filter can refuse."""
    stop: str | None = None
    """Why its main thread could not be stopped; "" where it could; None where it was not tried."""

    @property
    def refused(self) -> bool:
        """True where neither way of reading the process is open."""
        way = self.memory_file if self.memory == errno.ENOSYS else self.memory
        return bool(way or self.files)


def attempt(pid: int, *, stop: bool) -> Attempts:
    """Try everything that sampling process ``pid`` needs; ``stop``: also to stop its main thread, for microseconds."""
    memory = _read_memory(pid)
    reason = None
    if stop and memory in (0, errno.ENOSYS):
        reason = _stop(pid)
    return Attempts(
        signal=_signal(pid),
        own_memory=_read_memory(os.getpid()),
        memory=memory,
        memory_file=_open(f"/proc/{pid}/mem"),
        files=_open(f"/proc/{pid}/maps"),
        tracing=_trace_nobody(),
        stop=reason,
    )


def _signal(pid: int) -> int:
    try:
        os.kill(pid, 0)
    except OSError as err:
        return err.errno or 0
    return 0


def _open(path: str) -> int:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as err:
        return err.errno or 0
    return 0


def _read_memory(pid: int) -> int:
    try:
        readv = ctypes.CDLL(None, use_errno=True).process_vm_readv
    except AttributeError:
        return errno.ENOSYS
    buffer = ctypes.create_string_buffer(1)
    local, remote = _IoVec(ctypes.addressof(buffer), 1), _IoVec(_UNMAPPED, 1)
    one = ctypes.c_ulong(1)
    if readv(pid, ctypes.byref(local), one, ctypes.byref(remote), one, ctypes.c_ulong(0)) >= 0:
        return 0
    code = ctypes.get_errno()
    return 0 if code == errno.EFAULT else code


def _trace_nobody() -> int:
    """No process has the pid 0: a call that reaches the kernel's own check fails with ESRCH."""
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.restype = ctypes.c_long
    ptrace(ctypes.c_long(_SEIZE), ctypes.c_int(0), None, None)
    code = ctypes.get_errno()
    return 0 if code == errno.ESRCH else code


def _stop(pid: int) -> str:
    return in_own_thread(lambda: _stop_here(pid))


def _stop_here(pid: int) -> str:
    from nbspy.target.linux_ptrace import LinuxThreadStopper
    from nbspy.target.process import StopOutcome

    stopper = LinuxThreadStopper(pid)
    try:
        outcome = stopper.stop(pid)
        if outcome is StopOutcome.STOPPED:
            stopper.resume(pid)
        if outcome is StopOutcome.TOO_SLOW:
            return "its main thread did not stop in time"
        return stopper.refusal() if outcome is StopOutcome.REFUSED else ""
    finally:
        stopper.close()
