"""Why a process cannot be read on macOS. Tested with evidence that is made up; untested on a Mac.

task_for_pid(3) gives KERN_FAILURE for every reason alike, so the evidence is what is known of the two programs: whose
they are, and what their code signatures permit (``csops``, ``cs_blobs.h`` of XNU).
"""

from __future__ import annotations

import ctypes
import enum
import os
from dataclasses import dataclass
from typing import Any

from nbspy.errors import PermissionRefused
from nbspy.host import host
from nbspy.plain_text import printable
from nbspy.target import process_tree
from nbspy.target.permissions.diagnosis import Cause, Check, Diagnosis, Who

PROTECTED_FOLDERS = ("/usr/", "/System/", "/bin/", "/sbin/", "/Library/Apple/")
_NOT_PROTECTED = "/usr/local/"
_READER = "com.apple.security.cs.debugger"
_READABLE = "com.apple.security.get-task-allow"
_OPS_STATUS = 0
_OPS_ENTITLEMENTS = 7
_MAX_ENTITLEMENTS = 1 << 16
_SHOWN = 120


class Signature(enum.IntFlag):
    """What a process's code signature says (``CS_*``)."""

    GET_TASK_ALLOW = 0x4
    RESTRICT = 0x800
    RUNTIME = 0x10000
    """The hardened runtime."""
    PLATFORM_BINARY = 0x4000000


@dataclass(frozen=True, slots=True)
class MacEvidence:
    """All that a cause is concluded from."""

    pid: int
    executable: str
    """ "" where that is not known."""
    user: int | None
    """The target's; None where there is no such process, or it is not told."""
    own_user: int | None
    signature: Signature | None
    """The target's; None where it is not told."""
    entitled: bool
    """True where this Python is signed with the entitlement to read others."""


def gather(pid: int, library: Any | None = None) -> MacEvidence:
    """Collect the evidence about process ``pid``; ``library``: libSystem, for tests."""
    library = library or ctypes.CDLL(None)
    executable, user = process_tree.program_and_user(pid)
    status = ctypes.c_uint32()
    told = library.csops(ctypes.c_int(pid), ctypes.c_uint(_OPS_STATUS), ctypes.byref(status), ctypes.c_size_t(4)) == 0
    text = ctypes.create_string_buffer(_MAX_ENTITLEMENTS)
    size = ctypes.c_size_t(_MAX_ENTITLEMENTS)
    entitled = library.csops(ctypes.c_int(os.getpid()), ctypes.c_uint(_OPS_ENTITLEMENTS), text, size) == 0
    return MacEvidence(
        pid=pid,
        executable=executable,
        user=user,
        own_user=host.user_id(),
        signature=Signature(status.value & sum(Signature)) if told else None,
        entitled=entitled and _READER.encode() in text.raw,
    )


def _is_protected(e: MacEvidence) -> bool:
    if e.signature is not None and e.signature & (Signature.RESTRICT | Signature.PLATFORM_BINARY):
        return True
    return e.executable.startswith(PROTECTED_FOLDERS) and not e.executable.startswith(_NOT_PROTECTED)


def _is_hardened(e: MacEvidence) -> bool:
    return e.signature is not None and Signature.RUNTIME in e.signature and Signature.GET_TASK_ALLOW not in e.signature


def why_refused(e: MacEvidence) -> Cause:
    """Return the cause of a refused task_for_pid."""
    if _is_protected(e):
        program = printable(e.executable, _SHOWN) or "a program of the system"
        return Cause(
            f"process {e.pid} runs {program}, which System Integrity Protection guards even against root",
            "run the program with a Python of your own (Homebrew, uv, conda), not with the system's",
            Who.YOU,
        )
    if _is_hardened(e):
        return Cause(
            f"process {e.pid} has the hardened runtime, and its program lacks the entitlement {_READABLE}: "
            "not even root may read it",
            "run it with a Python that is not signed for distribution (Homebrew, uv, conda)",
            Who.YOU,
        )
    if e.own_user == 0:
        return Cause(
            f"macOS refused to let root read process {e.pid}, and none of the usual reasons is there",
            "ask the machine's admin whether it is the system's or security software guards it",
            Who.ADMIN,
        )
    if e.user is not None and e.user != e.own_user:
        return Cause(
            f"process {e.pid} belongs to another user (uid {e.user}, you are {e.own_user})",
            "run nbspy as root (sudo)",
            Who.YOU,
        )
    if e.entitled:
        return Cause(
            f"macOS refused process {e.pid} although this Python is signed with the entitlement {_READER}",
            "let the machine's admin permit debugging once (DevToolsSecurity -enable)",
            Who.ADMIN,
        )
    return Cause(
        f"macOS lets only root read process {e.pid}, or a program with the entitlement {_READER}",
        "run nbspy as root (sudo)",
        Who.YOU,
    )


def refusal(pid: int) -> PermissionRefused:
    """Return the error for a refused task_for_pid."""
    cause = why_refused(gather(pid))
    return PermissionRefused(cause.cause, cause.cure)


def checks(e: MacEvidence) -> tuple[Check, ...]:
    """Return what was looked at."""
    signature = "unknown" if e.signature is None else (e.signature.name or "nothing that matters").lower()
    return (
        Check("its program", printable(e.executable, _SHOWN) or "unknown", not _is_protected(e)),
        Check("its signature", signature, not _is_hardened(e)),
        Check("its user", f"uid {e.user}; ours: {e.own_user}", e.own_user in (0, e.user)),
        Check("root", "yes" if e.own_user == 0 else "no", e.own_user == 0 or None),
        Check(_READER, "ours" if e.entitled else "not ours", e.entitled or None),
    )


def diagnose(pid: int, *, stop: bool) -> Diagnosis:
    """Look at process ``pid`` from this very process; ``stop``: also whether it may be stopped."""
    from nbspy.target.macos import MacTarget
    from nbspy.target.permissions.opening import diagnose_by_opening

    evidence = gather(pid)
    who = why_refused(evidence).who
    return diagnose_by_opening(pid, MacTarget, stop=stop, checks=checks(evidence), who=who)
