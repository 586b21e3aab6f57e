"""The parts of Windows that are asked for, played with a process of Linux."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator

from nbspy.errors import MemoryFault, NbspyError, PermissionRefused, ProcessNotFound, TargetEnded
from nbspy.target.linux import LinuxTarget
from nbspy.target.linux_ptrace import LinuxThreadStopper
from nbspy.target.process import Activity, Mapping, StopOutcome
from nbspy.target.winapi import WinApi

from .library import INT, LONG, POINTER, SIZE, UINT, Library, exported, load_number, stand, store, store_number

ACCESS_DENIED, INVALID_PARAMETER, PARTIAL_COPY, NOACCESS = 5, 87, 299, 998
INFO_LENGTH_MISMATCH, INVALID_CID = -0x3FFFFFFC, -0x3FFFFFF5
CONTROL_AMD64 = 0x100001
READ_NO_MORE = {  # readable, writable, executable -> PAGE_*
    (False, False, False): 0x01,
    (True, False, False): 0x02,
    (True, True, False): 0x04,
    (True, False, True): 0x20,
    (True, True, True): 0x40,
    (False, False, True): 0x10,
    (False, True, False): 0x04,
    (False, True, True): 0x40,
}


def _mappings(target: LinuxTarget) -> list[Mapping]:
    try:
        return target.mappings()
    except NbspyError:
        return []


class WindowsKernel:
    """Handles are remembered, so that a test sees which were not closed."""

    def __init__(self, *, windows_10: bool = False) -> None:
        self._windows_10 = windows_10
        self.error = 0
        self.handles: dict[int, object] = {}
        self.stopped: dict[int, LinuxThreadStopper] = {}
        """Thread -> what keeps it standing."""
        self.contexts_read = 0
        self._next = 0x40
        self._targets: dict[int, LinuxTarget] = {}

    def api(self) -> WinApi:
        missing = ("NtCreateThreadStateChange", "NtChangeThreadState") if self._windows_10 else ()
        return WinApi(Library(self), Library(self, *missing), lambda: self.error, "amd64")

    def _new(self, value: object) -> int:
        self._next += 4
        self.handles[self._next] = value
        return self._next

    def _fail(self, code: int) -> int:
        self.error = code
        return 0

    @exported(POINTER, UINT, INT, UINT)
    def OpenProcess(self, access: int, inherit: int, pid: int) -> int:
        assert (access, inherit) == (0x10 | 0x400 | 0x100000, 0), "VM_READ, QUERY_INFORMATION, SYNCHRONIZE: no more"
        try:
            target = LinuxTarget(pid)
        except ProcessNotFound:
            return self._fail(INVALID_PARAMETER)
        except (PermissionRefused, TargetEnded):
            return self._fail(ACCESS_DENIED)
        self._targets[pid] = target
        return self._new(target)

    def _target(self, handle: int) -> LinuxTarget:
        target = self.handles[handle]
        assert isinstance(target, LinuxTarget)
        return target

    @exported(POINTER, UINT, INT, UINT)
    def OpenThread(self, access: int, inherit: int, thread: int) -> int:
        assert access in (0x2 | 0x8 | 0x20, 0x800)
        assert inherit == 0
        for target in self._targets.values():
            if target.activity(thread)[0] is not Activity.GONE:
                return self._new((target, thread))
        return self._fail(INVALID_PARAMETER)

    @exported(INT, POINTER)
    def CloseHandle(self, handle: int) -> int:
        value = self.handles.pop(handle)
        if isinstance(value, LinuxTarget):
            del self._targets[value.pid]
            value.close()
        if isinstance(value, list):
            for thread in value:  # the object is gone: what it changed is undone
                self._let_go(thread)
        return 1

    @exported(INT, POINTER, LONG, POINTER, SIZE, POINTER)
    def ReadProcessMemory(self, process: int, address: int, local: int, size: int, got: int) -> int:
        try:
            data = self._target(process).memory.read(address, size)
        except MemoryFault:
            return self._fail(PARTIAL_COPY)
        except NbspyError:
            return self._fail(PARTIAL_COPY)
        store(local, data)
        store_number(got, len(data), 8)
        return 1

    def _regions(self, target: LinuxTarget) -> Iterator[tuple[int, int, Mapping | None]]:
        place = 0
        for each in _mappings(target):
            if each.start > place:
                yield place, each.start, None
            yield each.start, each.end, each
            place = each.end

    @exported(SIZE, POINTER, LONG, POINTER, SIZE)
    def VirtualQueryEx(self, process: int, address: int, info: int, size: int) -> int:
        assert size == 48
        target = self._target(process)
        for start, end, each in self._regions(target):
            if not start <= address < end:
                continue
            base, protect, state = 0, 0x01, 0x10000  # MEM_FREE
            if each is not None:
                same = [other.start for other in _mappings(target) if other.path == each.path and each.is_of_file]
                base = min(same, default=each.start)
                protect, state = READ_NO_MORE[each.readable, each.writable, each.executable], 0x1000
            # base, allocation base, allocation protection, partition; size at 24; state, protection, type; padding
            store(info, struct.pack("<QQIHxxQIIIxxxx", start, base, 0, 0, end - start, state, protect, 0))
            return size
        return 0

    @exported(UINT, POINTER, UINT)
    def WaitForSingleObject(self, process: int, milliseconds: int) -> int:
        assert milliseconds == 0
        return 258 if self._target(process).exists() else 0

    def _files(self, target: LinuxTarget) -> dict[int, str]:
        found: dict[str, int] = {}
        for each in _mappings(target):
            if each.is_of_file:
                found.setdefault(each.path, each.start)
        return {base: path for path, base in found.items()}

    @exported(INT, POINTER, POINTER, UINT, POINTER, UINT)
    def K32EnumProcessModulesEx(self, process: int, modules: int, size: int, needed: int, kinds: int) -> int:
        assert kinds == 3, "LIST_MODULES_ALL"
        bases = list(self._files(self._target(process)))
        if not bases:
            return self._fail(PARTIAL_COPY)
        store(modules, struct.pack(f"<{len(bases)}Q", *bases)[:size])
        store_number(needed, 8 * len(bases))
        return 1

    @exported(UINT, POINTER, POINTER, POINTER, UINT)
    def K32GetModuleFileNameExW(self, process: int, module: int, buffer: int, characters: int) -> int:
        text = self._files(self._target(process))[module][: characters - 1]
        store(buffer, text.encode("utf-16-le") + b"\0\0")
        return len(text)

    @exported(INT, POINTER, POINTER)
    def GetThreadDescription(self, handle: int, text: int) -> int:
        target, thread = self.handles[handle]
        kept = ctypes.create_string_buffer(target.thread_name(thread).encode("utf-16-le") + b"\0\0")
        self.handles[ctypes.addressof(kept)] = kept
        store_number(text, ctypes.addressof(kept), 8)
        return 0

    @exported(POINTER, POINTER)
    def LocalFree(self, address: int) -> int:
        del self.handles[address]
        return 0

    @exported(INT, INT, POINTER, UINT, POINTER)
    def NtQuerySystemInformation(self, kind: int, buffer: int, size: int, needed: int) -> int:
        assert kind == 5, "SystemProcessInformation"
        rows = [self._process(0, {0: 2}), *(self._process(pid, self._states(t)) for pid, t in self._targets.items())]
        data = b""
        for number, row in enumerate(rows):
            following = len(row) if number < len(rows) - 1 else 0
            data += struct.pack("<I", following) + row[4:]
        store_number(needed, len(data))
        if size < len(data):
            return INFO_LENGTH_MISMATCH
        store(buffer, data)
        return 0

    def _states(self, target: LinuxTarget) -> dict[int, int]:
        words = {Activity.RUNNING: 2, Activity.WAITING: 5, Activity.GONE: 4}
        try:
            return {thread: words[target.activity(thread)[0]] for thread in target.thread_ids()}
        except NbspyError:
            return {}

    def _process(self, pid: int, threads: dict[int, int]) -> bytes:
        row = bytearray(256)
        struct.pack_into("<I", row, 4, len(threads))
        struct.pack_into("<Q", row, 80, pid)
        for thread, state in threads.items():
            entry = bytearray(80)
            struct.pack_into("<QQ", entry, 40, pid, thread)
            struct.pack_into("<II", entry, 68, state, 6)
            row += entry
        return bytes(row)

    @exported(INT, POINTER, UINT, POINTER, POINTER, LONG)
    def NtCreateThreadStateChange(self, out: int, access: int, attributes: int, thread: int, reserved: int) -> int:
        assert (access, attributes, reserved) == (1, None, 0)
        assert isinstance(self.handles[thread], tuple)
        store_number(out, self._new([]), 8)
        return 0

    @exported(INT, POINTER, POINTER, INT, POINTER, SIZE, LONG)
    def NtChangeThreadState(
        self, change: int, thread: int, kind: int, information: int, size: int, reserved: int
    ) -> int:
        assert (information, size, reserved) == (None, 0, 0)
        target, native = self.handles[thread]
        changed = self.handles[change]
        assert isinstance(changed, list)
        if kind == 1:
            changed.remove(native)
            self._let_go(native)
            return 0
        stopper = LinuxThreadStopper(target.pid)
        if stand(stopper, native) is not StopOutcome.STOPPED:
            stopper.close()
            return INVALID_CID
        self.stopped[native] = stopper
        changed.append(native)
        return 0

    def _let_go(self, thread: int) -> None:
        stopper = self.stopped.pop(thread)
        stopper.resume(thread)
        stopper.close()

    @exported(INT, POINTER, POINTER)
    def GetThreadContext(self, thread: int, context: int) -> int:
        assert context % 16 == 0, "CONTEXT must be aligned"
        assert load_number(context + 0x30) == CONTROL_AMD64
        self.contexts_read += 1
        return 1
