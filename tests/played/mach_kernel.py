"""The Mach kernel of macOS, played with a process of Linux."""

from __future__ import annotations

import ctypes
import os
import struct

from nbspy.errors import MemoryFault, NbspyError, PermissionRefused, ProcessNotFound, TargetEnded
from nbspy.target.linux import LinuxTarget
from nbspy.target.linux_ptrace import LinuxThreadStopper
from nbspy.target.mach import Mach
from nbspy.target.process import Activity, StopOutcome

from .library import INT, LONG, POINTER, UINT, Library, exported, load_number, stand, store, store_number

OWN_TASK = 0x103
SUCCESS, INVALID_ADDRESS, INVALID_ARGUMENT, FAILURE, INVALID_DEST = 0, 1, 4, 5, 0x10000003


class MachKernel:
    """Ports are counted, so that a test sees which were not let go."""

    def __init__(self) -> None:
        self.references: dict[int, int] = {}
        """Port -> how often it was given out and not let go."""
        self.arrays: dict[int, ctypes.Array[ctypes.c_uint32]] = {}
        """Memory that the kernel gave out and that was not let go."""
        self._tasks: dict[int, LinuxTarget] = {}
        self._threads: dict[int, tuple[LinuxTarget, int]] = {}
        self._tokens: dict[int, tuple[LinuxThreadStopper, list[int]]] = {}
        self._next_port = 0x1000

    def mach(self) -> Mach:
        return Mach(Library(self), OWN_TASK)

    def _give(self, port: int) -> int:
        self.references[port] = self.references.get(port, 0) + 1
        return port

    def _new_port(self) -> int:
        self._next_port += 4
        return self._give(self._next_port)

    @exported(INT, UINT, INT, POINTER)
    def task_for_pid(self, own: int, pid: int, port: int) -> int:
        assert own == OWN_TASK
        try:
            target = LinuxTarget(pid)
        except (ProcessNotFound, PermissionRefused, TargetEnded):
            return FAILURE
        name = self._new_port()
        self._tasks[name] = target
        store_number(port, name)
        return SUCCESS

    @exported(INT, UINT, LONG, LONG, LONG, POINTER)
    def mach_vm_read_overwrite(self, task: int, address: int, size: int, local: int, got: int) -> int:
        try:
            data = self._tasks[task].memory.read(address, size)
        except MemoryFault:
            return INVALID_ADDRESS
        except NbspyError:
            return INVALID_DEST
        store(local, data)
        store_number(got, len(data), 8)
        return SUCCESS

    @exported(INT, UINT, POINTER, POINTER, INT, POINTER, POINTER, POINTER)
    def mach_vm_region(self, task: int, address: int, size: int, flavor: int, info: int, count: int, name: int) -> int:
        assert flavor == 9, "VM_REGION_BASIC_INFO_64"
        assert load_number(count) == 9, "VM_REGION_BASIC_INFO_COUNT_64, in ints"
        try:
            mappings = self._tasks[task].mappings()
        except NbspyError:
            return INVALID_DEST
        if not mappings:
            return INVALID_DEST
        wanted = load_number(address, 8)
        for each in mappings:
            if each.end > wanted:
                protection = each.readable + 2 * each.writable + 4 * each.executable
                # int protection, max_protection; uint inheritance, shared, reserved; uint64 offset at 20 (packed to
                # 4); int behavior; uint16 user_wired_count; 2 bytes of padding: 36 in all
                store(info, struct.pack("<iiIIIQiHxx", protection, 7, 1, 0, 0, each.offset, 0, 0))
                store_number(address, each.start, 8)
                store_number(size, each.end - each.start, 8)
                store_number(name, 0)
                return SUCCESS
        return INVALID_ADDRESS

    @exported(INT, INT, LONG, POINTER, UINT)
    def proc_regionfilename(self, pid: int, address: int, buffer: int, size: int) -> int:
        for target in self._tasks.values():
            for each in target.mappings() if target.pid == pid else []:
                if each.start <= address < each.end and each.is_of_file:
                    data = os.fsencode(each.path)[: size - 1] + b"\0"
                    store(buffer, data)
                    return len(data) - 1
        return 0

    @exported(INT, UINT, POINTER, POINTER)
    def task_threads(self, task: int, ports: int, count: int) -> int:
        try:
            threads = self._tasks[task].thread_ids()
        except NbspyError:
            return INVALID_ARGUMENT
        known = {thread: port for port, (target, thread) in self._threads.items() if target is self._tasks[task]}
        names = []
        for thread in threads:
            if thread in known:
                names.append(self._give(known[thread]))
            else:
                names.append(self._new_port())
                self._threads[names[-1]] = (self._tasks[task], thread)
        array = (ctypes.c_uint32 * len(names))(*names)
        self.arrays[ctypes.addressof(array)] = array
        store_number(ports, ctypes.addressof(array), 8)
        store_number(count, len(names))
        return SUCCESS

    @exported(INT, UINT, INT, POINTER, POINTER)
    def thread_info(self, thread: int, flavor: int, info: int, count: int) -> int:
        if thread not in self._threads:
            return INVALID_DEST
        target, native = self._threads[thread]
        doing, _ = target.activity(native)
        if doing is Activity.GONE:
            return INVALID_ARGUMENT
        if flavor == 4:  # THREAD_IDENTIFIER_INFO: thread_id, thread_handle, dispatch_qaddr
            assert load_number(count) == 6
            store(info, struct.pack("<QQQ", native, 0x7000, 0))
        else:
            assert (flavor, load_number(count)) == (5, 28), "THREAD_EXTENDED_INFO, in ints"
            state = 1 if doing is Activity.RUNNING else 3
            # two times, cpu usage, policy; run_state is the fifth int32-aligned word after the times
            name = target.thread_name(native).encode()[:63]
            store(info, struct.pack("<QQiiiiiiii64s", 0, 0, 0, 1, state, 0, 0, 31, 31, 63, name))
        return SUCCESS

    @exported(INT, UINT, POINTER)
    def task_suspend2(self, task: int, token: int) -> int:
        target = self._tasks[task]
        try:
            threads = target.thread_ids()
        except NbspyError:
            return INVALID_DEST
        stopper = target.stopper()
        stopped = [thread for thread in threads if stand(stopper, thread) is StopOutcome.STOPPED]
        name = self._new_port()
        self._tokens[name] = (stopper, stopped)
        store_number(token, name)
        return SUCCESS

    @exported(INT, UINT)
    def task_resume2(self, token: int) -> int:
        stopper, stopped = self._tokens.pop(token)
        for thread in stopped:
            stopper.resume(thread)
        stopper.close()
        return self.mach_port_deallocate(OWN_TASK, token)

    @exported(INT, UINT, UINT)
    def mach_port_deallocate(self, own: int, port: int) -> int:
        assert own == OWN_TASK
        assert self.references.get(port, 0) > 0, "a port is let go more often than it was given"
        self.references[port] -= 1
        if not self.references[port]:
            del self.references[port]
            self._threads.pop(port, None)
            target = self._tasks.pop(port, None)
            if target is not None:
                target.close()
        return SUCCESS

    @exported(INT, UINT, LONG, LONG)
    def mach_vm_deallocate(self, own: int, address: int, size: int) -> int:
        array = self.arrays.pop(address)
        assert (own, size) == (OWN_TASK, ctypes.sizeof(array))
        return SUCCESS
