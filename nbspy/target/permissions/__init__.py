"""Why reading a process was refused, and who must grant what.

:func:`refusal` is the error of a refused attach; :func:`diagnose` the same conclusion with everything that was looked
at. Each platform's causes are a module: ``linux``; ``macos`` and ``windows``.
"""

from __future__ import annotations

from nbspy.errors import NbspyError, PermissionRefused, ProcessNotFound, TargetEnded, UnsupportedPlatform
from nbspy.target import PLATFORM, Platform
from nbspy.target.permissions.diagnosis import Cause as Cause
from nbspy.target.permissions.diagnosis import Check as Check
from nbspy.target.permissions.diagnosis import Diagnosis as Diagnosis
from nbspy.target.permissions.diagnosis import Who as Who
from nbspy.target.permissions.diagnosis import from_json as from_json


def refusal(pid: int) -> NbspyError:
    """Linux: return the error for a refused read of ``pid``: the one cause the evidence points to, and its cure.

    TargetEnded where it ended meanwhile, else :class:`PermissionRefused`.
    """
    from nbspy.target.permissions.attempts import attempt
    from nbspy.target.permissions.linux import gather, why_gone, why_refused

    evidence = gather(pid, attempt(pid, stop=False))
    gone = why_gone(evidence)
    if gone is not None:
        return TargetEnded(gone.cause, gone.cure)
    cause = why_refused(evidence)
    return PermissionRefused(cause.cause, cause.cure)


def missing(pid: int) -> NbspyError:
    """Return the error for a process that ``/proc`` does not show: it is not there, or hidden from us."""
    from nbspy.target.permissions.attempts import attempt
    from nbspy.target.permissions.linux import gather, why_gone

    attempts = attempt(pid, stop=False)
    cause = why_gone(gather(pid, attempts))
    if cause is None:
        return ProcessNotFound(f"process {pid} has only just begun", "try again")
    return ProcessNotFound(cause.cause, cause.cure)


def diagnose(pid: int, *, stop: bool) -> Diagnosis:
    """Say whether this very process may read process ``pid``; ``stop``: also stop a thread of it, for microseconds.

    Raises :class:`UnsupportedPlatform`.
    """
    if PLATFORM is Platform.LINUX:
        from nbspy.target.permissions import linux

        return linux.diagnose(pid, stop=stop)
    if PLATFORM is Platform.MACOS:
        from nbspy.target.permissions import macos

        return macos.diagnose(pid, stop=stop)
    if PLATFORM is Platform.WINDOWS:
        from nbspy.target.permissions import windows

        return windows.diagnose(pid, stop=stop)
    raise UnsupportedPlatform("nbspy reads no processes on this system", "run it on Linux")


def killed_by_filter() -> Cause:
    """Return the cause where a seccomp filter killed the reader (SIGSYS) instead of refusing its call."""
    import os

    from nbspy.target.permissions.linux import filtered
    from nbspy.target.permissions.proc import Proc

    return filtered(Proc().machine(os.environ).container, "process_vm_readv or ptrace")
