"""Why reading a process was refused, and who must grant what."""

from __future__ import annotations

import os
from pathlib import Path

from nbspy.errors import PermissionRefused


def yama_scope() -> int | None:
    """Return ``kernel.yama.ptrace_scope`` (0 to 3), or None where the kernel has no Yama."""
    try:
        return int(Path("/proc/sys/kernel/yama/ptrace_scope").read_text())
    except (OSError, ValueError):
        return None


def _status_numbers(pid: int | str, field: str) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return []
    for line in text.splitlines():
        if line.startswith(field + ":"):
            return [int(word) for word in line.split()[1:] if word.isdigit()]
    return []


def refusal(pid: int) -> PermissionRefused:
    """Return the error for a refused read of ``pid``: the one cause the evidence points to, and its cure."""
    owners = _status_numbers(pid, "Uid")
    if owners and owners[0] != os.geteuid() and os.geteuid() != 0:
        return PermissionRefused(
            f"process {pid} belongs to another user (uid {owners[0]}, you are {os.geteuid()})",
            "run nbspy as that user, or ask the machine's admin for CAP_SYS_PTRACE",
        )
    scope = yama_scope()
    if scope == 1:
        return PermissionRefused(
            f"the kernel lets only ancestors read process {pid} (kernel.yama.ptrace_scope is 1)",
            "start it from this notebook or shell, or ask the machine's admin to run "
            "'sysctl kernel.yama.ptrace_scope=0'",
        )
    if scope in (2, 3):
        return PermissionRefused(
            f"this kernel lets only administrators read other processes (kernel.yama.ptrace_scope is {scope})",
            "ask the machine's admin for CAP_SYS_PTRACE"
            if scope == 2
            else "it cannot be changed until the machine restarts: ask its admin",
        )
    seccomp = _status_numbers("self", "Seccomp")
    if seccomp and seccomp[0] != 0:
        return PermissionRefused(
            f"a seccomp filter of this container forbids reading process {pid}",
            "whoever starts the container adds the capability SYS_PTRACE "
            "(docker run --cap-add SYS_PTRACE; Kubernetes: securityContext.capabilities.add)",
        )
    return PermissionRefused(
        f"the system does not let us read process {pid}, although its user is ours",
        "it is protected (not dumpable, or it has raised capabilities): whoever starts it must change that, "
        "or read it with CAP_SYS_PTRACE",
    )
