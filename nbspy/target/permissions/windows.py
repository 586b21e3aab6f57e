"""Why a process cannot be read on Windows. Untested: no backend reads processes there yet."""

from __future__ import annotations

from nbspy.target.permissions.diagnosis import Cause, Who

ERROR_ACCESS_DENIED = 5
ERROR_INVALID_PARAMETER = 87
ERROR_PARTIAL_COPY = 299


def why_refused(pid: int, code: int, *, elevated: bool) -> Cause:
    """Return the cause for an OpenProcess or ReadProcessMemory that failed with ``code`` (GetLastError)."""
    if code == ERROR_INVALID_PARAMETER:
        return Cause(f"there is no process {pid}", "'nbspy processes' lists the Python processes", Who.YOU)
    if code == ERROR_PARTIAL_COPY:
        return Cause(
            f"process {pid} is a 64-bit one, and this Python is 32-bit", "run nbspy with a 64-bit Python", Who.YOU
        )
    if code == ERROR_ACCESS_DENIED and not elevated:
        return Cause(
            f"Windows denies access to process {pid}: it is another user's, or runs as administrator",
            "run nbspy as that user, or from a terminal opened as administrator",
            Who.YOU,
        )
    if code == ERROR_ACCESS_DENIED:
        return Cause(
            f"Windows denies access to process {pid} even to administrators: it is a protected process",
            "security software or the system protects it: ask the machine's admin",
            Who.ADMIN,
        )
    return Cause(
        f"Windows refused to open process {pid} (error {code})", "run nbspy from a terminal as administrator", Who.YOU
    )
