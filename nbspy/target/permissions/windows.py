"""Why a process cannot be read on Windows. Tested with evidence that is made up; untested on Windows."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from nbspy.errors import PermissionRefused
from nbspy.plain_text import printable
from nbspy.target import process_tree
from nbspy.target.permissions.diagnosis import Cause, Check, Diagnosis, Who

ERROR_ACCESS_DENIED = 5
ERROR_INVALID_PARAMETER = 87
ERROR_PARTIAL_COPY = 299
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class WindowsEvidence:
    """All that a cause is concluded from."""

    pid: int
    code: int
    """What GetLastError said; 0 where nothing was refused."""
    elevated: bool
    """True where this process has the rights of an administrator."""
    user: str
    """The target's; "" where Windows does not tell, as it does of processes with more rights than ours."""
    own_user: str


def gather(pid: int, code: int, shell32: Any | None = None) -> WindowsEvidence:
    """Collect the evidence; ``shell32``: the library of that name, for tests."""
    library: Any = shell32 or getattr(ctypes, "WinDLL")("shell32")  # noqa: B009  # no such name where this is checked
    user, own = process_tree.user_names(pid)
    return WindowsEvidence(pid, code, bool(library.IsUserAnAdmin()), user, own)


def why_refused(e: WindowsEvidence) -> Cause:
    """Return the cause for an OpenProcess or ReadProcessMemory that failed."""
    if e.code == ERROR_INVALID_PARAMETER:
        return Cause(f"there is no process {e.pid}", "'nbspy processes' lists the Python processes", Who.YOU)
    if e.code == ERROR_PARTIAL_COPY:
        return Cause(
            f"process {e.pid} is a 64-bit one, and this Python is 32-bit", "run nbspy with a 64-bit Python", Who.YOU
        )
    if e.code == ERROR_ACCESS_DENIED and e.elevated:
        return Cause(
            f"Windows denies access to process {e.pid} even to administrators: it is a protected process",
            "ask the machine's admin what protects it",
            Who.ADMIN,
        )
    if e.code == ERROR_ACCESS_DENIED and e.user and e.user != e.own_user:
        names = f"{printable(e.user, _SHOWN)}, you are {printable(e.own_user, _SHOWN)}"
        return Cause(
            f"process {e.pid} belongs to another user ({names})",
            "run nbspy from a terminal opened as administrator",
            Who.YOU,
        )
    if e.code == ERROR_ACCESS_DENIED and e.user:
        return Cause(
            f"process {e.pid} is yours and runs with more rights than this one (as administrator)",
            "run nbspy from a terminal opened as administrator",
            Who.YOU,
        )
    if e.code == ERROR_ACCESS_DENIED:
        return Cause(
            f"Windows denies access to process {e.pid}: it is another user's, or runs as administrator",
            "run nbspy from a terminal opened as administrator",
            Who.YOU,
        )
    return Cause(
        f"Windows refused to open process {e.pid} (error {e.code})",
        "run nbspy from a terminal as administrator",
        Who.YOU,
    )


def refusal(pid: int, code: int) -> PermissionRefused:
    """Return the error for a refused call."""
    cause = why_refused(gather(pid, code))
    return PermissionRefused(cause.cause, cause.cure)


def checks(e: WindowsEvidence) -> tuple[Check, ...]:
    """Return what was looked at."""
    user = printable(e.user, _SHOWN) or "not told"
    return (
        Check("its user", f"{user}; ours: {printable(e.own_user, _SHOWN)}", e.user == e.own_user or e.elevated),
        Check("administrator", "yes" if e.elevated else "no", e.elevated or None),
    )


def diagnose(pid: int, *, stop: bool) -> Diagnosis:
    """Look at process ``pid`` from this very process; ``stop``: also whether it may be stopped."""
    from nbspy.target.permissions.opening import diagnose_by_opening
    from nbspy.target.windows import WindowsTarget

    evidence = gather(pid, 0)
    who = Who.ADMIN if evidence.elevated else Who.YOU
    return diagnose_by_opening(pid, WindowsTarget, stop=stop, checks=checks(evidence), who=who)
