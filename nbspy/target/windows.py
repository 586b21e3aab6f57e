"""A process on Windows. Written, and tested against a kernel that is played; untested on Windows.

The handle stays that of this very process: while it is open, the pid belongs to nobody else.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import BinaryIO, Final

from nbspy.errors import ProcessNotFound, TargetEnded, UnsupportedPlatform
from nbspy.target import process_tree
from nbspy.target.memory import RemoteMemory
from nbspy.target.permissions import windows as causes
from nbspy.target.process import Abi, Activity, Mapping, StopOutcome
from nbspy.target.range_memory import RangeMemory
from nbspy.target.winapi import (
    EXECUTABLE,
    READABLE,
    WRITABLE,
    Access,
    Code,
    Page,
    ThreadState,
    WinApi,
    WinError,
    load_winapi,
)

_RIGHTS: Final = Access.PROCESS_VM_READ | Access.PROCESS_QUERY_INFORMATION | Access.SYNCHRONIZE
_THREAD_RIGHTS: Final = Access.THREAD_SUSPEND_RESUME | Access.THREAD_GET_CONTEXT | Access.THREAD_SET_INFORMATION
_RUNNING: Final = frozenset((ThreadState.READY, ThreadState.RUNNING, ThreadState.STANDBY, ThreadState.DEFERRED_READY))
_MAX_MAPPINGS: Final = 200_000
_FRESH_NS: Final = 1_000_000
"""A list of all threads serves all questions of one sample."""


class WindowsTarget:
    """Implements :class:`~nbspy.target.process.Target`."""

    abi = Abi("Windows", long_size=4)

    def __init__(self, pid: int, api: WinApi | None = None) -> None:
        """``api``: the system's functions, for tests. Raises ProcessNotFound, PermissionRefused."""
        self.pid = pid
        self._api = api or _load()
        try:
            self._process = self._api.open_process(pid, _RIGHTS)
        except WinError as err:
            if err.code == Code.INVALID_PARAMETER:
                raise ProcessNotFound(f"there is no process {pid}", "'nbspy processes' lists them") from None
            raise causes.refusal(pid, err.code) from None
        self._states: dict[int, int] = {}
        self._states_ns = 0
        self.memory: RemoteMemory = RangeMemory(self._copy)
        if self._api.has_ended(self._process):
            self.close()
            raise ProcessNotFound(f"process {pid} has ended", "there is nothing to read")

    def _copy(self, address: int, size: int, local: int) -> bool:
        code = self._api.copy(self._process, address, size, local)
        if not code:
            return True
        if code == Code.ACCESS_DENIED:
            raise causes.refusal(self.pid, code)
        if not self.exists():
            raise self._ended()
        return False

    def _ended(self) -> TargetEnded:
        return TargetEnded(f"process {self.pid} has ended")

    def close(self) -> None:
        if self._process:
            self._api.close(self._process)
            self._process = 0

    def mappings(self) -> list[Mapping]:
        try:
            modules = self._api.modules(self._process)
        except WinError as err:
            if self.exists() and err.code == Code.PARTIAL_COPY:
                modules = {}  # it has only just begun, and its list of modules is not there yet
            else:
                raise self._ended() from None
        found: list[Mapping] = []
        address = 0
        while len(found) < _MAX_MAPPINGS and (region := self._api.region(self._process, address)) is not None:
            if region.start + region.size <= address:
                break
            address = region.start + region.size
            if region.committed:
                usable = not region.protection & (Page.GUARD | Page.NOACCESS)
                found.append(
                    Mapping(
                        start=region.start,
                        end=address,
                        offset=0,
                        readable=usable and bool(region.protection & READABLE),
                        writable=usable and bool(region.protection & WRITABLE),
                        executable=usable and bool(region.protection & EXECUTABLE),
                        path=modules.get(region.image, ""),
                        deleted=False,
                    )
                )
        if not found and not self.exists():
            raise self._ended()
        return found

    def open_binary(self, mapping: Mapping) -> BinaryIO:
        return open(mapping.path, "rb")

    def resolve_path(self, path: str) -> str:
        return path

    def thread_ids(self) -> list[int]:
        if not self.exists():
            raise self._ended()
        return [thread for thread, state in self._look(0).items() if state != ThreadState.TERMINATED]

    def _look(self, fresh_ns: int) -> dict[int, int]:
        """Return the state of each thread, as of ``fresh_ns`` ago or later."""
        now = time.monotonic_ns()
        if now - self._states_ns > fresh_ns:
            try:
                self._states = self._api.threads(self.pid)
            except WinError:
                self._states = {}
            self._states_ns = now
        return self._states

    def host_thread_id(self, native: int) -> int:
        return native

    def activity(self, thread: int) -> tuple[Activity, int]:
        """Which lock a thread waits for is not told here, so that no thread is said to wait for a GIL."""
        state = self._look(_FRESH_NS).get(thread, ThreadState.TERMINATED)
        if state == ThreadState.TERMINATED:
            return Activity.GONE, 0
        return (Activity.RUNNING if state in _RUNNING else Activity.WAITING), 0

    def forget_threads(self, gone: set[int]) -> None:
        """Nothing is kept open for threads."""

    def thread_name(self, thread: int) -> str:
        return self._api.thread_name(thread)

    def exists(self) -> bool:
        return bool(self._process) and not self._api.has_ended(self._process)

    def has_ended(self) -> bool:
        return False  # the handle is this process's alone

    def command_line(self) -> list[str]:
        return process_tree.arguments(self.pid)

    def program(self) -> object:
        """No process becomes another program here."""
        return self.pid

    def stopper(self) -> WindowsThreadStopper:
        return WindowsThreadStopper(self._api)


class WindowsThreadStopper:
    """Implements :class:`~nbspy.target.process.ThreadStopper`."""

    def __init__(self, api: WinApi) -> None:
        self._api = api
        self._stopped: dict[int, tuple[int, int]] = {}
        """Thread id -> handle of the thread, and of what keeps it stopped."""
        self._refusal = ""
        self.asked_ns = 0

    def stop(self, thread: int) -> StopOutcome:
        if not self._api.can_stop:
            self._refusal = (
                "before Windows 11 a thread stays suspended for ever when whoever suspended it is killed: "
                "nbspy does not risk that"
            )
            return StopOutcome.REFUSED
        try:
            handle = self._api.open_thread(thread, _THREAD_RIGHTS)
        except WinError as err:
            return self._failed(err)
        if not self._stopped:
            self.asked_ns = time.perf_counter_ns()
        try:
            self._stopped[thread] = handle, self._api.suspend(handle)
        except WinError as err:
            self._api.close(handle)
            return self._failed(err)
        return StopOutcome.STOPPED

    def _failed(self, err: WinError) -> StopOutcome:
        if err.code == Code.ACCESS_DENIED:
            self._refusal = "access to the thread is denied"
            return StopOutcome.REFUSED
        return StopOutcome.GONE

    def stop_all(self, threads: Sequence[int]) -> list[StopOutcome]:
        return [self.stop(thread) for thread in threads]

    def resume(self, thread: int) -> None:
        handle, change = self._stopped.pop(thread, (0, 0))
        if handle:
            self._api.resume(handle, change)
            self._api.close(handle)

    def release_late(self) -> bool:
        """A thread stands when its registers were read; none is late."""
        return False

    def refusal(self) -> str:
        return self._refusal

    def close(self) -> None:
        for thread in list(self._stopped):
            self.resume(thread)


def _load() -> WinApi:
    try:
        return load_winapi()
    except (AttributeError, KeyError, OSError) as err:
        raise UnsupportedPlatform(
            f"this Windows lacks what nbspy reads processes with ({err})",
            "use a 64-bit Python on 64-bit Windows 10 or newer",
        ) from None
