"""A process on Linux: ``/proc/PID`` and what is reached through it.

The folder ``/proc/PID`` is opened once and everything else is opened below it: a process that ends makes the kept
descriptor fail, even when its pid is given to another.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import select
from typing import BinaryIO

from nbspy.errors import PermissionRefused, ProcessNotFound, TargetEnded
from nbspy.target import permissions
from nbspy.target.linux_memory import FileMemory, open_memory
from nbspy.target.linux_ptrace import LinuxThreadStopper
from nbspy.target.memory import RemoteMemory
from nbspy.target.process import Abi, Activity, Mapping

_MAPS_LINE = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ \d+ *(.*)")
_PR_SET_PTRACER = 0x59616D61
_PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)
_MAX_MAPPINGS = 200_000
_FUTEX = {"x86_64": b"202 ", "aarch64": b"98 "}.get(os.uname().machine, b"")
"""How a line of ``/proc/PID/task/TID/syscall`` begins for a thread in futex(2)."""


_permitted_to_all = False
"""Whether this process called :func:`allow_any_tracer`: the kernel keeps one permission, a narrower one replaces it."""


def allow_tracer(pid: int) -> None:
    """Let ``pid`` trace this process under Yama's scope 1; a kernel without Yama needs and says nothing."""
    if not _permitted_to_all:
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(pid), 0, 0, 0)


def allow_any_tracer() -> None:
    """Let every process of this user trace this one under Yama's scope 1, until it ends; a child is not included."""
    global _permitted_to_all
    _permitted_to_all = True
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _PR_SET_PTRACER_ANY, 0, 0, 0)


def _forget_permission() -> None:
    global _permitted_to_all
    _permitted_to_all = False


os.register_at_fork(after_in_child=_forget_permission)  # what is permitted is the parent's


def parse_mapping(line: bytes) -> Mapping | None:
    """Return one line of ``/proc/PID/maps`` as a :class:`Mapping`; None for a line of another form."""
    match = _MAPS_LINE.match(line)
    if match is None:
        return None
    start, end, access, offset, raw_path = match.groups()
    # Nothing but the newline is escaped (show_map_vma in fs/proc/task_mmu.c): other backslashes are the name's own.
    path = raw_path.replace(b"\\012", b"\n")
    deleted = path.endswith(b" (deleted)")
    return Mapping(
        start=int(start, 16),
        end=int(end, 16),
        offset=int(offset, 16),
        readable=access[0:1] == b"r",
        writable=access[1:2] == b"w",
        executable=access[2:3] == b"x",
        path=os.fsdecode(path.removesuffix(b" (deleted)")),
        deleted=deleted,
    )


class _End:
    """The end of a process, by a descriptor that means this process whoever gets its pid (Linux 5.3 and newer).

    ``process_vm_readv`` takes a pid. A process that has not ended yet when it was read is the one that was read, for
    its pid is given to nobody before.
    """

    def __init__(self, pid: int) -> None:
        self._descriptor = -1
        self._poll = select.poll()
        with contextlib.suppress(OSError, AttributeError):  # an older kernel, or a filter
            self._descriptor = os.pidfd_open(pid)  # type: ignore[attr-defined,unused-ignore]  # Linux alone has it
            self._poll.register(self._descriptor, select.POLLIN)

    def has_come(self) -> bool:
        """True from the end on; never without a descriptor. Hot path: 1 us."""
        return bool(self._poll.poll(0))

    def close(self) -> None:
        if self._descriptor >= 0:
            self._poll.unregister(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


class LinuxTarget:
    """Implements :class:`~nbspy.target.process.Target`."""

    abi = Abi("Linux", long_size=8)

    def __init__(self, pid: int) -> None:
        self.pid = pid
        if os.readlink("/proc/self") != str(os.getpid()):  # its pids are those of another namespace
            raise permissions.missing(pid)
        try:
            self._folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError):
            raise permissions.missing(pid) from None
        self._end = _End(pid)  # after the folder: what that shows to be alive below is the same process
        self._activity_files: dict[int, int] = {}
        self._activity_name = "syscall"
        self._foreign_namespace = False
        self._host_ids: dict[int, int] = {}
        try:
            self._refuse_thread_id()
            self.memory: RemoteMemory = open_memory(pid, self._folder)
        except BaseException:
            self._end.close()
            os.close(self._folder)
            raise

    def _refuse_thread_id(self) -> None:
        """/proc/TID exists for every thread, unlisted; only a process has its own id as thread group."""
        status = self._read("status")
        namespaces = re.search(rb"^NSpid:([\s\d]+)$", status, re.MULTILINE)
        self._foreign_namespace = namespaces is not None and len(namespaces[1].split()) > 1
        match = re.search(rb"^Tgid:\s*(\d+)", status, re.MULTILINE)
        if match is not None and int(match[1]) != self.pid:
            raise ProcessNotFound(
                f"{self.pid} is a thread of process {int(match[1])}", f"pass the process: {int(match[1])}"
            )

    def close(self) -> None:
        if isinstance(self.memory, FileMemory):
            self.memory.close()
        for descriptor in self._activity_files.values():
            os.close(descriptor)
        self._activity_files.clear()
        self._end.close()
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def _open(self, name: str) -> int:
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)

    def _read(self, name: str) -> bytes:
        """Return a whole file below /proc/PID; raises TargetEnded, PermissionRefused."""
        try:
            with open(self._open(name), "rb") as file:
                return file.read()
        except (ProcessLookupError, FileNotFoundError):
            raise TargetEnded(f"process {self.pid} has ended") from None
        except PermissionError:
            raise permissions.refusal(self.pid) from None

    def mappings(self) -> list[Mapping]:
        lines = self._read("maps").splitlines()
        if not lines:
            # The kernel shows an empty map of a process that is ending and of kernel threads.
            if not self.exists():
                raise TargetEnded(f"process {self.pid} has ended")
            return []
        return [mapping for line in lines[:_MAX_MAPPINGS] if (mapping := parse_mapping(line)) is not None]

    def open_binary(self, mapping: Mapping) -> BinaryIO:
        """Open the file behind ``mapping``: by its path in the target's root, else through the mapping itself.

        Raises :class:`OSError` where neither is possible.
        """
        if not mapping.deleted:
            with contextlib.suppress(OSError):
                return open(self._open("root" + mapping.path), "rb")
        try:
            return open(self._open(f"map_files/{mapping.start:x}-{mapping.end:x}"), "rb")
        except OSError:
            executable = os.readlink("exe", dir_fd=self._folder).removesuffix(" (deleted)")
            if executable == mapping.path:
                return open(self._open("exe"), "rb")
            raise

    def resolve_path(self, path: str) -> str:
        """A relative name is relative to the target's working folder, as far as that is still the one it was."""
        return f"/proc/{self.pid}/root{path}" if path.startswith("/") else f"/proc/{self.pid}/cwd/{path}"

    def shares_root(self) -> bool:
        """True where the target sees the same files under the same names as we do."""
        try:
            ours, theirs = os.stat("/"), os.stat("root/", dir_fd=self._folder)
        except OSError:
            return True
        return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)

    def thread_ids(self) -> list[int]:
        try:
            folder = self._open("task")
        except OSError:
            raise TargetEnded(f"process {self.pid} has ended") from None
        try:
            return [int(name) for name in os.listdir(folder) if name.isdigit()]
        except ProcessLookupError:
            raise TargetEnded(f"process {self.pid} has ended") from None
        finally:
            os.close(folder)

    def host_thread_id(self, native: int) -> int:
        """In another pid namespace a thread has one id there and another here; ``NSpid`` lists both."""
        if not self._foreign_namespace:
            return native
        known = self._host_ids.get(native)
        if known is None:
            for thread in self.thread_ids():
                ids = re.search(rb"^NSpid:([\s\d]+)$", self._read(f"task/{thread}/status"), re.MULTILINE)
                if ids is not None:
                    self._host_ids[int(ids[1].split()[-1])] = thread
            known = self._host_ids.get(native, native)
        return known

    def activity(self, thread: int) -> tuple[Activity, int]:
        """``/proc/PID/task/TID/syscall`` says "running", or the call that waits, in 1.2 us; ``stat`` takes 2.7.

        Of a thread that waits in futex(2) it also tells the address: which lock it waits for.
        """
        descriptor = self._activity_files.get(thread)
        try:
            if descriptor is None:
                descriptor = self._open_activity(thread)
            text = os.pread(descriptor, 512, 0)
        except OSError as err:
            if err.errno in (errno.EACCES, errno.EPERM) and self._activity_name == "syscall":
                self._use_stat()
                return self.activity(thread)
            return Activity.GONE, 0
        if self._activity_name == "syscall":
            if text.startswith(b"running"):
                return Activity.RUNNING, 0
            if _FUTEX and text.startswith(_FUTEX):
                return Activity.WAITING, int(text.split(b" ", 2)[1], 16)
            return Activity.WAITING, 0
        # The name may hold anything, also ") R": the state follows the *last* parenthesis.
        state = text[text.rfind(b")") + 2 : text.rfind(b")") + 3]
        if state in (b"Z", b"X", b""):
            return Activity.GONE, 0
        return (Activity.RUNNING if state == b"R" else Activity.WAITING), 0

    def _open_activity(self, thread: int) -> int:
        try:
            descriptor = self._open(f"task/{thread}/{self._activity_name}")
        except FileNotFoundError:
            if self._activity_name == "syscall" and thread == self.pid and self.exists():
                self._use_stat()  # a kernel without CONFIG_HAVE_ARCH_TRACEHOOK
                return self._open_activity(thread)
            raise
        self._activity_files[thread] = descriptor
        return descriptor

    def _use_stat(self) -> None:
        self._activity_name = "stat"
        for descriptor in self._activity_files.values():
            os.close(descriptor)
        self._activity_files.clear()

    def forget_threads(self, gone: set[int]) -> None:
        for thread in gone:
            descriptor = self._activity_files.pop(thread, None)
            if descriptor is not None:
                os.close(descriptor)

    def thread_name(self, thread: int) -> str:
        try:
            with open(self._open(f"task/{thread}/comm"), "rb") as file:
                return file.read(64).rstrip(b"\n").decode("utf-8", "replace")
        except OSError:
            return ""

    def exists(self) -> bool:
        try:
            with open(self._open("stat"), "rb") as file:
                text = file.read()
        except OSError:
            return False
        return text[text.rfind(b")") + 2 : text.rfind(b")") + 3] not in (b"Z", b"X", b"x", b"")

    def has_ended(self) -> bool:
        return self._end.has_come()

    def program(self) -> object:
        """Which file runs, and where its stack began: exec changes one or the other; raises TargetEnded.

        The second tells also a program that became itself again, wherever addresses are randomised.
        """
        # First the stack: where there is none any more, because the process is ending, there is no file either.
        text = self._read("stat")
        start_of_stack = text[text.rfind(b")") + 2 :].split()[25]
        try:
            status = os.stat("exe", dir_fd=self._folder)
        except PermissionError:
            raise permissions.refusal(self.pid) from None
        except OSError:
            raise TargetEnded(f"process {self.pid} has ended") from None
        return (status.st_dev, status.st_ino, start_of_stack)

    def command_line(self) -> list[str]:
        """Return the arguments the process was started with; empty for a kernel thread or a zombie."""
        return [os.fsdecode(part) for part in self._read("cmdline").rstrip(b"\0").split(b"\0") if part]

    def parent_pid(self) -> int:
        text = self._read("stat")
        return int(text[text.rfind(b")") + 2 :].split()[1])

    def stopper(self) -> LinuxThreadStopper:
        return LinuxThreadStopper(self.pid)


__all__ = ["LinuxTarget", "PermissionRefused", "allow_tracer", "parse_mapping"]
