"""A process on macOS: its Mach task. Written, and tested against a kernel that is played; untested on a Mac.

The port of a task stays that of this very process: once it has ended, or has become another program, every call on it
fails, even when its pid is given to another.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import BinaryIO, Final

from nbspy.errors import MemoryFault, ProcessNotFound, TargetEnded
from nbspy.target import process_tree
from nbspy.target.mach import MACH_SEND_INVALID_DEST, Mach, MachError, Protection, Result, RunState, load_mach
from nbspy.target.mach_o import cpu_type_of, slice_for
from nbspy.target.memory import RemoteMemory
from nbspy.target.permissions import macos as causes
from nbspy.target.process import Abi, Activity, Mapping, StopOutcome
from nbspy.target.range_memory import RangeMemory

_FAULTS: Final = frozenset(
    (Result.INVALID_ADDRESS, Result.PROTECTION_FAILURE, Result.MEMORY_FAILURE, Result.MEMORY_ERROR, Result.NO_ACCESS)
)
_GONE: Final = frozenset((MACH_SEND_INVALID_DEST, Result.INVALID_NAME, Result.INVALID_TASK, Result.TERMINATED))
_MAX_MAPPINGS: Final = 200_000
_SHARED_CACHE: Final = 0x7FFF00000000
"""x86-64: from here on lies what the system shares among all processes, hundreds of its own libraries; arm64 has it
from 0x180000000 on, in fewer and larger ranges. No Python is there."""


class MacTarget:
    """Implements :class:`~nbspy.target.process.Target`."""

    abi = Abi("macOS", long_size=8)

    def __init__(self, pid: int, mach: Mach | None = None) -> None:
        """``mach``: the kernel's functions, for tests. Raises ProcessNotFound, PermissionRefused."""
        self.pid = pid
        self._mach = mach or load_mach()
        if not process_tree.exists(pid):
            raise ProcessNotFound(f"there is no process {pid}", "'nbspy processes' lists the Python processes")
        try:
            self._task = self._mach.task_for_pid(pid)
        except MachError:
            raise causes.refusal(pid) from None
        self._ports: dict[int, int] = {}
        """Thread id -> port."""
        self.memory: RemoteMemory = RangeMemory(self._copy)

    def _copy(self, address: int, size: int, local: int) -> bool:
        code = self._mach.copy(self._task, address, size, local)
        if code == Result.SUCCESS:
            return True
        if code not in _FAULTS and (code in _GONE or not self.exists()):
            raise self._ended()
        return False

    def _ended(self) -> TargetEnded:
        return TargetEnded(f"process {self.pid} has ended, or became another program")

    def close(self) -> None:
        for port in self._ports.values():
            self._mach.release(port)
        self._ports.clear()
        if self._task:
            self._mach.release(self._task)
            self._task = 0

    def mappings(self) -> list[Mapping]:
        found: list[Mapping] = []
        address = 0
        try:
            while len(found) < _MAX_MAPPINGS and (region := self._mach.region(self._task, address)) is not None:
                if region.start >= _SHARED_CACHE or region.start < address or not region.size:
                    break
                address = region.start + region.size
                found.append(
                    Mapping(
                        start=region.start,
                        end=address,
                        offset=region.offset,
                        readable=Protection.READ in region.protection,
                        writable=Protection.WRITE in region.protection,
                        executable=Protection.EXECUTE in region.protection,
                        path=self._mach.region_path(self.pid, region.start),
                        deleted=False,
                    )
                )
        except MachError:
            raise self._ended() from None
        return found

    def open_binary(self, mapping: Mapping) -> BinaryIO:
        """Open the file behind ``mapping``, of a fat one the part that is loaded there; raises OSError."""
        file = open(mapping.path, "rb")  # noqa: SIM115  # it is the caller's
        try:
            header = self.memory.read(mapping.start, 8)
        except MemoryFault:
            return file
        return slice_for(file, cpu_type_of(header))

    def resolve_path(self, path: str) -> str:
        return path

    def thread_ids(self) -> list[int]:
        try:
            ports = self._mach.threads(self._task)
        except MachError:
            raise self._ended() from None
        seen: dict[int, int] = {}
        for port in ports:
            try:
                thread = self._mach.thread_id(port)
            except MachError:  # it has ended meanwhile
                self._mach.release(port)
                continue
            seen[thread] = port
        # Each listing counts every port once more; one count is kept for each thread that is there.
        for port in self._ports.values():
            self._mach.release(port)
        self._ports = seen
        return list(seen)

    def host_thread_id(self, native: int) -> int:
        return native

    def activity(self, thread: int) -> tuple[Activity, int]:
        """Which lock a thread waits for is not told here, so that no thread is said to wait for a GIL."""
        state = self._state(thread)
        if state is None:
            return Activity.GONE, 0
        return (Activity.RUNNING if state[0] == RunState.RUNNING else Activity.WAITING), 0

    def _state(self, thread: int) -> tuple[int, str] | None:
        port = self._ports.get(thread)
        if port is None:
            try:
                self.thread_ids()
            except TargetEnded:
                return None
            port = self._ports.get(thread)
        if port is None:
            return None
        try:
            return self._mach.thread_state(port)
        except MachError:
            return None

    def forget_threads(self, gone: set[int]) -> None:
        for thread in gone:
            port = self._ports.pop(thread, None)
            if port is not None:
                self._mach.release(port)

    def thread_name(self, thread: int) -> str:
        state = self._state(thread)
        return "" if state is None else state[1]

    def exists(self) -> bool:
        try:
            return self._mach.region(self._task, 0) is not None and process_tree.exists(self.pid)
        except MachError:
            return False

    def has_ended(self) -> bool:
        return False  # the task is this process's alone

    def command_line(self) -> list[str]:
        return process_tree.arguments(self.pid)

    def program(self) -> object:
        return process_tree.identity(self.pid)

    def stopper(self) -> MacThreadStopper:
        return MacThreadStopper(self._mach, self._task)


class MacThreadStopper:
    """Implements :class:`~nbspy.target.process.ThreadStopper` by stopping the whole task, for the time of a copy."""

    def __init__(self, mach: Mach, task: int) -> None:
        self._mach = mach
        self._task = task
        self._token = 0
        self._standing: set[int] = set()
        self.asked_ns = 0

    def stop(self, thread: int) -> StopOutcome:
        if not self._token:
            self.asked_ns = time.perf_counter_ns()
            try:
                self._token = self._mach.suspend(self._task)
            except MachError as err:
                return StopOutcome.GONE if err.code in _GONE else StopOutcome.REFUSED
        self._standing.add(thread)
        return StopOutcome.STOPPED

    def stop_all(self, threads: Sequence[int]) -> list[StopOutcome]:
        return [self.stop(thread) for thread in threads]

    def resume(self, thread: int) -> None:
        self._standing.discard(thread)
        if not self._standing and self._token:
            self._mach.resume(self._token)
            self._token = 0

    def release_late(self) -> bool:
        """A task stands when suspending it returns."""
        return False

    def refusal(self) -> str:
        return "the system refused to suspend its task"

    def close(self) -> None:
        self._standing.clear()
        self.resume(0)
