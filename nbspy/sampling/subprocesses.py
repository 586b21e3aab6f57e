"""The processes below a target: found, told whether they run Python, and attached to, between two samples.

Nothing here waits. A process that is still starting is tried again at the next look; one that runs no Python is passed
over, and tried again seldom, for it may become another program. What has only just been forked is left alone for
:data:`SETTLE_NS`: most of it becomes another program at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

import msgspec

from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import TooManyThreads
from nbspy.errors import CorruptTarget, MemoryFault, NbspyError, NotPython, ProcessNotFound, TargetEnded
from nbspy.sampling.attach import Starting, attach_now
from nbspy.target.process import ProcessWatch, Target

POLL_NS: Final = 25_000_000
"""Between two looks: with :data:`SETTLE_NS` a child is found 50 ms after it has begun, at the latest."""
SETTLE_NS: Final = 20_000_000
STARTING_NS: Final = 10_000_000_000
"""How long a process whose Python has not begun to run is tried at every look; then seldom."""
SELDOM_NS: Final = 1_000_000_000
MAX_PROCESSES: Final = 512
"""Sampled at the same time; more are passed over, and it is said."""
_NEVER_NS: Final = 1 << 62
_NOT_PYTHON_NS: Final = (25_000_000, 50_000_000, 100_000_000, 200_000_000, 400_000_000)
"""What has only just become another program has not yet loaded its libraries."""


class Found(msgspec.Struct, frozen=True):
    """A process that can be sampled from now on. Whoever takes it closes the target."""

    target: Target
    runtime: Runtime
    parent_pid: int


class Attach(Protocol):
    def __call__(self, pid: int) -> tuple[Target, Runtime]: ...


class _Member(msgspec.Struct):
    """A process of the tree, whether it is sampled or not."""

    pid: int
    parent_pid: int
    seen_ns: int
    due_ns: int
    """When it is to be tried again."""
    followed: bool = False


class Subprocesses:
    """The tree below ``root``, itself included; ``excluded`` pids (the sampler's own) are no part of it."""

    def __init__(
        self,
        root: int,
        watch: ProcessWatch,
        *,
        excluded: frozenset[int] = frozenset(),
        root_is_followed: bool = True,
        attach: Attach = attach_now,
    ) -> None:
        self._watch = watch
        self._excluded = excluded
        self._attach = attach
        self._members = {root: _Member(root, 0, 0, 0, followed=root_is_followed)}
        self._next_ns = 0
        self._notices: list[str] = []
        self._too_many = False

    def look(self, now_ns: int) -> list[Found]:
        """Return the processes that can be sampled since the last look."""
        if now_ns < self._next_ns:
            return []
        self._next_ns = now_ns + POLL_NS
        change = self._watch.poll()
        if change is not None:
            self._welcome(change, now_ns)
        return list(self._attachable(now_ns))

    def release(self, pid: int, *, again: bool = True) -> None:
        """Take note that a process is no longer sampled; ``again``: it may have become another program."""
        member = self._members.get(pid)
        if member is not None:
            member.followed = False
            member.due_ns = 0 if again else _NEVER_NS

    def extinct(self) -> bool:
        """True where no process of the tree lives any more."""
        for pid in [pid for pid in self._members if not self._watch.is_alive(pid)]:
            del self._members[pid]
        return not self._members

    def take_notices(self) -> list[str]:
        """Return and forget what the person should know."""
        notices, self._notices = self._notices, []
        return notices

    def _welcome(self, new: dict[int, int], now_ns: int) -> None:
        """Add those of the ``new`` processes (pid -> parent) that are below the tree."""
        below: dict[int, list[int]] = {}
        for pid, parent in new.items():
            below.setdefault(parent, []).append(pid)
        pending = list(self._members)
        while pending:
            parent = pending.pop()
            for pid in below.pop(parent, ()):
                if pid not in self._excluded and pid not in self._members:
                    self._members[pid] = _Member(pid, parent, now_ns, now_ns + SETTLE_NS)
                    pending.append(pid)

    def _attachable(self, now_ns: int) -> Iterator[Found]:
        followed = sum(member.followed for member in self._members.values())
        for member in list(self._members.values()):
            if member.followed or now_ns < member.due_ns:
                continue
            if followed >= MAX_PROCESSES:
                self._say_too_many()
                return
            found = self._try(member, now_ns)
            if found is not None:
                member.followed = True
                followed += 1
                yield found

    def _try(self, member: _Member, now_ns: int) -> Found | None:
        age_ns = now_ns - member.seen_ns
        try:
            target, runtime = self._attach(member.pid)
        except (ProcessNotFound, TargetEnded):
            self._members.pop(member.pid, None)
        except TooManyThreads as err:
            self._refuse(member, err)
        except (Starting, MemoryFault, CorruptTarget):
            member.due_ns = now_ns + (0 if age_ns < STARTING_NS else SELDOM_NS)
        except NotPython:
            later = [ns for ns in _NOT_PYTHON_NS if ns > age_ns]
            member.due_ns = member.seen_ns + later[0] if later else now_ns + SELDOM_NS
        except NbspyError as err:  # no permission, or a version that is not read
            self._refuse(member, err)
        else:
            return Found(target, runtime, member.parent_pid)
        return None

    def _refuse(self, member: _Member, err: NbspyError) -> None:
        """Say once why a process is not sampled, and do not try again."""
        self._notices.append(f"process {member.pid}, which process {member.parent_pid} started: {err}")
        member.due_ns = _NEVER_NS

    def _say_too_many(self) -> None:
        if not self._too_many:
            self._too_many = True
            self._notices.append(f"{MAX_PROCESSES} processes are sampled; more are passed over while so many run")
