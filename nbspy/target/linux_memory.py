"""``RemoteMemory`` on Linux: ``process_vm_readv(2)``, and ``/proc/PID/mem`` on kernels that do not have it.

Hot path: :meth:`LinuxPreparedRead.read` runs on every sample. Its iovec arrays, and the arguments in the form in which
ctypes hands them on, are built once: converting them each time took 5 of 9 us. A read then costs one foreign call, and
in the kernel 2 us and a third of one for each range.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
from collections.abc import Sequence
from typing import Any

from nbspy.errors import MemoryFault, NbspyError, TargetEnded, UnsupportedPlatform
from nbspy.target import permissions
from nbspy.target.memory import NONE

IOV_MAX = 1024
"""Ranges per call (``UIO_MAXIOV`` in include/uapi/linux/uio.h)."""

_PAGE = 4096


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_size_t), ("length", ctypes.c_size_t))


def _load_readv() -> ctypes._NamedFuncPointer:
    library = ctypes.CDLL(None, use_errno=True)
    try:
        function = library.process_vm_readv
    except AttributeError:
        raise UnsupportedPlatform(
            "this system's C library has no process_vm_readv", "use glibc 2.15 or musl 1.1 or newer"
        ) from None
    # Without argtypes: whoever calls it passes what readv_arguments() has made.
    function.restype = ctypes.c_ssize_t
    return function


_Arguments = tuple[Any, ...]
"""ctypes' own argument objects, which have no public type."""


def readv_arguments(pid: int, local: Any, local_count: int, remote: Any, remote_count: int) -> _Arguments:
    """Return the arguments of ``process_vm_readv``, ready to be passed again and again; None for no iovec."""
    return (
        ctypes.c_int.from_param(pid),
        ctypes.c_void_p.from_param(None) if local is None else ctypes.byref(local),
        ctypes.c_ulong.from_param(local_count),
        ctypes.c_void_p.from_param(None) if remote is None else ctypes.byref(remote),
        ctypes.c_ulong.from_param(remote_count),
        ctypes.c_ulong.from_param(0),
    )


def gathered(ranges: Sequence[tuple[int, int]], unordered: slice) -> list[list[int]]:
    """Return the numbers of the ranges in the order in which to read them, in lists of those to read at once.

    A range costs as much as 4 KiB of bytes do, so of those that are ``unordered`` the ones that lie together within a
    page are read with what is between them.
    """
    numbers = range(len(ranges))
    found = [[number] for number in numbers[: unordered.start]]
    end = limit = 0
    for number in sorted(numbers[unordered], key=lambda number: ranges[number]):
        address, size = ranges[number]
        if end <= address and address + size <= limit:
            found[-1].append(number)
        else:
            found.append([number])
            limit = (address // _PAGE + 1) * _PAGE
        end = address + size
    return found + [[number] for number in numbers[unordered.stop :]]


class _Targets:
    """Where a call puts what it reads: adjoining places are one."""

    def __init__(self) -> None:
        self.all: list[_IoVec] = []
        self._end = -1

    def add(self, address: int, size: int) -> None:
        if address == self._end:
            self.all[-1].length += size
        else:
            self.all.append(_IoVec(address, size))
        self._end = address + size


class LinuxPreparedRead:
    """One prepared vectored read; more than :data:`IOV_MAX` ranges take several calls."""

    def __init__(self, memory: LinuxMemory, ranges: Sequence[tuple[int, int]], unordered: slice = NONE) -> None:
        self._memory = memory
        self._ranges = list(ranges)
        total = sum(size for _, size in ranges)
        self.buffer = bytearray(total)
        # The buffer is never resized, so its address may be kept as long as the exporting view is.
        self._view = (ctypes.c_char * total).from_buffer(self.buffer) if total else None
        local_base = ctypes.addressof(self._view) if self._view is not None else 0
        self._between = (ctypes.c_char * _PAGE)()
        """Takes what lies between ranges that are read together."""
        self._readv = memory.readv
        self._pieces = gathered(self._ranges, unordered)
        self._piece_of = {index: number for number, piece in enumerate(self._pieces) for index in piece}
        places = [local_base, *(local_base + done for done in itertools.accumulate(size for _, size in ranges))]
        self._remotes: list[ctypes.Array[_IoVec]] = []
        self._calls: list[tuple[_Arguments, int]] = []
        """Arguments and bytes, one entry a system call."""
        for first in range(0, len(self._pieces), IOV_MAX):
            remotes: list[_IoVec] = []
            targets = _Targets()
            for piece in self._pieces[first : first + IOV_MAX]:
                begin = end = self._ranges[piece[0]][0]
                for index in piece:
                    address, size = self._ranges[index]
                    if address > end:
                        targets.add(ctypes.addressof(self._between), address - end)
                    targets.add(places[index], size)
                    end = address + size
                remotes.append(_IoVec(begin, end - begin))
            remote = (_IoVec * len(remotes))(*remotes)
            local = (_IoVec * len(targets.all))(*targets.all)
            size = sum(one.length for one in remotes)
            self._calls.append((readv_arguments(memory.pid, local, len(local), remote, len(remote)), size))
            self._remotes.append(remote)

    def _in_reading_order(self) -> list[tuple[int, int]]:
        """The ranges as they are read, each of several that are read together with what lies before the next."""
        found = []
        for piece in self._pieces:
            for index, following in zip(piece, (*piece[1:], None), strict=True):
                address, size = self._ranges[index]
                end = address + size if following is None else self._ranges[following][0]
                found.append((address, end - address))
        return found

    def aim(self, index: int, address: int) -> None:
        piece = self._piece_of[index]
        if len(self._pieces[piece]) > 1:
            raise ValueError(f"range {index} is read with others")
        self._ranges[index] = (address, self._ranges[index][1])
        self._remotes[piece // IOV_MAX][piece % IOV_MAX].base = address

    def read(self) -> None:
        readv = self._readv
        done = 0
        for arguments, size in self._calls:
            got = readv(*arguments)
            if got != size:
                self._memory.raise_for(self._in_reading_order(), done, got)
            done += size


class LinuxMemory:
    """Reads another process through ``process_vm_readv``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.readv = _load_readv()

    def read(self, address: int, size: int) -> bytes:
        if size <= 0 or not 0 < address < 1 << 64:
            if size == 0:
                return b""
            raise MemoryFault(address, size)
        buffer = ctypes.create_string_buffer(size)
        local = _IoVec(ctypes.addressof(buffer), size)
        remote = _IoVec(address, size)
        got = self.readv(*readv_arguments(self.pid, local, 1, remote, 1))
        if got != size:
            self.raise_for([(address, size)], 0, got)
        return buffer.raw

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        for address, size in ranges:
            if size < 0 or not 0 <= address < 1 << 64:
                raise MemoryFault(address, size)
        prepared = self.prepare(ranges)
        prepared.read()
        data = bytes(prepared.buffer)
        parts = []
        start = 0
        for _, size in ranges:
            parts.append(data[start : start + size])
            start += size
        return parts

    def prepare(self, ranges: Sequence[tuple[int, int]], unordered: slice = NONE) -> LinuxPreparedRead:
        return LinuxPreparedRead(self, ranges, unordered)

    def raise_for(self, ranges: Sequence[tuple[int, int]], done: int, got: int) -> None:
        """Raise what a call means that returned ``got``; ``done`` bytes of ``ranges`` were read before it."""
        # A call that read a part has met a fault, and leaves errno as another call of this thread has set it.
        code = ctypes.get_errno() if got < 0 else errno.EFAULT
        done += max(got, 0)
        if code == errno.EPERM:
            raise permissions.refusal(self.pid)
        if code == errno.ESRCH:
            raise TargetEnded(f"process {self.pid} has ended")
        if code == errno.ENOSYS:
            raise UnsupportedPlatform(
                "this kernel offers no cross-memory reads (process_vm_readv)",
                "ask for a kernel with CONFIG_CROSS_MEMORY_ATTACH, or a sandbox that permits the call",
            )
        for address, size in ranges:
            if done < size:
                raise MemoryFault(address, size)
            done -= size
        raise MemoryFault(0, 0)


class FilePreparedRead:
    """The same through ``/proc/PID/mem``: a call a range."""

    def __init__(self, memory: FileMemory, ranges: Sequence[tuple[int, int]]) -> None:
        self._memory = memory
        self._ranges = list(ranges)
        self.buffer = bytearray(sum(size for _, size in self._ranges))

    def aim(self, index: int, address: int) -> None:
        self._ranges[index] = (address, self._ranges[index][1])

    def read(self) -> None:
        view = memoryview(self.buffer)
        start = 0
        for address, size in self._ranges:
            self._memory.read_into(view[start : start + size], address)
            start += size


class FileMemory:
    """Reads another process through ``/proc/PID/mem``: where the kernel, or a sandbox, has no process_vm_readv.

    A copy of several ranges takes several calls here, so that less of it is of one instant; what decides whether it is
    believed is the same. Whether reading is permitted is asked once, when the file is opened.
    """

    def __init__(self, pid: int, folder: int) -> None:
        """``folder``: the open folder ``/proc/PID``. Raises PermissionRefused, TargetEnded."""
        self.pid = pid
        try:
            self._file = os.open("mem", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        except PermissionError:
            raise permissions.refusal(pid) from None
        except OSError:
            raise self._ended() from None

    def _ended(self) -> NbspyError:
        return TargetEnded(f"process {self.pid} has ended, or became another program")

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def read(self, address: int, size: int) -> bytes:
        if size < 0:
            raise MemoryFault(address, size)
        buffer = bytearray(size)
        self.read_into(memoryview(buffer), address)
        return bytes(buffer)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.read(address, size) for address, size in ranges]

    def prepare(self, ranges: Sequence[tuple[int, int]], unordered: slice = NONE) -> FilePreparedRead:
        return FilePreparedRead(self, ranges)

    def read_into(self, view: memoryview, address: int) -> None:
        """Fill ``view`` from ``address``; raises MemoryFault, TargetEnded."""
        done = 0
        while done < len(view):
            try:
                got = os.preadv(self._file, [view[done:]], address + done)
            except (OSError, OverflowError):  # EIO: nothing is mapped; no offset is negative or above 2**63
                raise MemoryFault(address, len(view)) from None
            if got == 0:  # the address space that was opened is no more
                raise self._ended()
            done += got


def open_memory(pid: int, folder: int) -> LinuxMemory | FileMemory:
    """Return the way in which this kernel lets process ``pid`` be read; ``folder`` is the open ``/proc/PID``.

    A filter that refuses the call, rather than saying that there is none, is not gone around.
    """
    try:
        memory = LinuxMemory(pid)
    except UnsupportedPlatform:
        return FileMemory(pid, folder)
    # No ranges at all: answered with 0 before anything is checked, wherever the call exists.
    if memory.readv(*readv_arguments(pid, None, 0, None, 0)) < 0 and ctypes.get_errno() == errno.ENOSYS:
        return FileMemory(pid, folder)
    return memory
