"""What every platform's module offers: a process as the operating system shows it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import BinaryIO, Protocol

import msgspec

from nbspy.target.memory import RemoteMemory


class Mapping(msgspec.Struct, frozen=True):
    """A range of the target's address space."""

    start: int
    end: int
    offset: int
    """Offset of ``start`` in the file."""
    readable: bool
    writable: bool
    executable: bool
    path: str
    """File that is mapped, as the target sees it; "" for anonymous memory, "[heap]" and the like as they are."""
    deleted: bool
    """True where the file was removed or replaced after it was mapped."""

    @property
    def is_of_file(self) -> bool:
        """True where a file is mapped, by the full path that it has on any system."""
        return self.path.startswith(("/", "\\\\")) or self.path[1:3] == ":\\"


class Abi(msgspec.Struct, frozen=True):
    """What C programs of a system agree upon, as far as it decides where fields of structs lie."""

    system: str
    """By the name that people know: "Linux", "macOS", "Windows"."""
    long_size: int
    """Bytes of C's ``long`` and ``unsigned long`` in a 64-bit program."""


class Activity(enum.Enum):
    """What the operating system says of a thread."""

    RUNNING = enum.auto()
    """On a processor, or ready to be."""
    WAITING = enum.auto()
    """In a system call that waits."""
    GONE = enum.auto()


class StopOutcome(enum.Enum):
    """How an attempt to stop a thread ended."""

    STOPPED = enum.auto()
    GONE = enum.auto()
    """The thread has ended or is ending."""
    TOO_SLOW = enum.auto()
    """It did not stop within the budget (uninterruptible sleep, vfork). It may stop later, and stands then until it is
    stopped again, or let go by :meth:`ThreadStopper.release_late`."""
    REFUSED = enum.auto()
    """Somebody else traces it, or tracing is not permitted."""


class ThreadStopper(Protocol):
    """Stops single threads of the target for the time of a copy. Not thread-safe: one tracer, one thread."""

    asked_ns: int
    """``time.perf_counter_ns()`` when threads were last asked to stop: none stood before that."""

    def stop(self, thread: int) -> StopOutcome:
        """Stop the thread with this OS id; only after STOPPED it must be let go with :meth:`resume`."""
        ...

    def stop_all(self, threads: Sequence[int]) -> list[StopOutcome]:
        """Stop several threads, in about the time that the slowest takes; each one that STOPPED must be let go."""
        ...

    def resume(self, thread: int) -> None:
        """Let a stopped thread run on."""
        ...

    def release_late(self) -> bool:
        """Let those go that were TOO_SLOW and have stopped since; True while there are others that have not.

        Costs nothing where there are none. To be asked again soon: those that stop meanwhile stand until it is.
        """
        ...

    def refusal(self) -> str:
        """Why the last stop was REFUSED, in words for the user; "" where none was."""
        ...

    def close(self) -> None:
        """Let every thread go; one that still has not stopped, when the calling thread ends (see ``own_thread``)."""
        ...


class Target(Protocol):
    """A process that is read. Holds files open: close it."""

    pid: int
    abi: Abi
    memory: RemoteMemory

    def mappings(self) -> list[Mapping]:
        """Return the address space, in order; raises TargetEnded, PermissionRefused."""
        ...

    def open_binary(self, mapping: Mapping) -> BinaryIO:
        """Open the file behind a mapping, in the target's own root; raises OSError."""
        ...

    def resolve_path(self, path: str) -> str:
        """Return where the target's file ``path`` is found from here (another root in a container)."""
        ...

    def thread_ids(self) -> list[int]:
        """Return the OS ids of all threads; raises TargetEnded."""
        ...

    def host_thread_id(self, native: int) -> int:
        """Return the OS id by which this system knows the thread that calls itself ``native`` (pid namespaces)."""
        ...

    def activity(self, thread: int) -> tuple[Activity, int]:
        """Return what the thread does, and the address of the lock it waits for (0: none, or unknown).

        Cheap when repeated.
        """
        ...

    def forget_threads(self, gone: set[int]) -> None:
        """Close what is kept open for threads that are no more."""
        ...

    def thread_name(self, thread: int) -> str:
        """Return the operating system's name of a thread, or ""."""
        ...

    def exists(self) -> bool:
        """True while this very process (not a later one with its pid) is there and no zombie."""
        ...

    def has_ended(self) -> bool:
        """True where what was read last may be another process's, because this one has ended and given away its pid.

        Cheap, for it is asked after most samples. Always False where reading is bound to the process, not to its pid.
        """
        ...

    def command_line(self) -> list[str]:
        """Return the arguments the process was started with; raises TargetEnded."""
        ...

    def program(self) -> object:
        """Return a value that changes when the process becomes another program (exec)."""
        ...

    def stopper(self) -> ThreadStopper:
        """Return the means to stop threads of this target."""
        ...

    def close(self) -> None: ...


class ProcessWatch(Protocol):
    """Tells which processes have begun. It is asked many times a second."""

    def poll(self) -> dict[int, int] | None:
        """Return the processes that are new since the last call, each with the one that started it.

        None where there are none. The first call returns all.
        """
        ...

    def is_alive(self, pid: int) -> bool:
        """True while the process is there and no zombie."""
        ...
