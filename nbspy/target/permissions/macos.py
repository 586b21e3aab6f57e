"""Why a process cannot be read on macOS. Untested: no backend reads processes there yet.

task_for_pid(3) gives KERN_FAILURE for every reason alike, so the evidence is what can be known of the two programs.
"""

from __future__ import annotations

from nbspy.target.permissions.diagnosis import Cause, Who

PROTECTED_FOLDERS = ("/usr/", "/System/", "/bin/", "/sbin/", "/Library/Apple/")
_NOT_PROTECTED = "/usr/local/"
_READER = "com.apple.security.cs.debugger"
_READABLE = "com.apple.security.get-task-allow"


def why_refused(pid: int, executable: str, *, as_root: bool) -> Cause:
    """Return the cause for a refused task_for_pid; ``executable`` is the target's program, "" where unknown."""
    if executable.startswith(PROTECTED_FOLDERS) and not executable.startswith(_NOT_PROTECTED):
        return Cause(
            f"process {pid} runs {executable}, which System Integrity Protection guards even against root",
            "run the program with a Python of your own (python.org, Homebrew, uv, conda), not with the system's",
            Who.YOU,
        )
    if not as_root:
        return Cause(
            f"macOS lets only root read process {pid}, or a program with the entitlement {_READER}",
            "run nbspy as root (sudo), or ask the machine's admin for a Python signed with that entitlement",
            Who.YOU,
        )
    return Cause(
        f"process {pid} has the hardened runtime, and its program lacks the entitlement {_READABLE}",
        "run it with a Python that is not signed for distribution, or one signed with that entitlement",
        Who.YOU,
    )
