"""The process, as the operating system shows it: memory, mappings, threads.

Nothing here knows what Python is. :func:`open_target` is the only place in the package that asks which platform this
is; each platform's module offers the same protocol (:mod:`nbspy.target.process`).
"""

from __future__ import annotations

import enum
import sys
from typing import TYPE_CHECKING, Final

from nbspy.errors import ProcessNotFound, UnsupportedPlatform

if TYPE_CHECKING:
    from nbspy.target.process import ProcessWatch, Target

MAX_PID = 2**31 - 1


class Platform(enum.Enum):
    """Where processes can be read."""

    LINUX = "linux"
    MACOS = "darwin"
    WINDOWS = "win32"
    OTHER = ""


PLATFORM: Final = Platform(sys.platform) if sys.platform in ("linux", "darwin", "win32") else Platform.OTHER


def open_target(pid: int) -> Target:
    """Open the process ``pid`` for reading.

    Raises :class:`~nbspy.errors.ProcessNotFound`, :class:`~nbspy.errors.PermissionRefused` or
    :class:`~nbspy.errors.UnsupportedPlatform`.
    """
    if not 0 < pid <= MAX_PID:
        raise ProcessNotFound(f"{pid} is no process id", "pass the pid of a running process")
    if PLATFORM is Platform.LINUX:
        from nbspy.target.linux import LinuxTarget

        return LinuxTarget(pid)
    if PLATFORM is Platform.MACOS:
        from nbspy.target.macos import MacTarget

        return MacTarget(pid)
    if PLATFORM is Platform.WINDOWS:
        from nbspy.target.windows import WindowsTarget

        return WindowsTarget(pid)
    raise UnsupportedPlatform(
        f"nbspy cannot read processes on {sys.platform}", "it reads those of Linux, macOS and Windows"
    )


def allow_tracer(pid: int) -> None:
    """Let the process ``pid`` read and trace this one, where the system wants to be told (Yama on Linux)."""
    if PLATFORM is Platform.LINUX:
        from nbspy.target.linux import allow_tracer as allow

        allow(pid)


def allow_any_tracer() -> None:
    """Let any process of the same user read and trace this one, where the system wants to be told."""
    if PLATFORM is Platform.LINUX:
        from nbspy.target.linux import allow_any_tracer as allow

        allow()


def watch_processes() -> ProcessWatch:
    """Return what tells which processes begin from now on."""
    if PLATFORM is Platform.LINUX:
        from nbspy.target.linux_processes import LinuxProcessWatch

        return LinuxProcessWatch()
    from nbspy.target.process_tree import PsutilProcessWatch

    return PsutilProcessWatch()
