"""Linux, macOS and other Unixes, for our own processes and files."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import stat
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

_PR_SET_TIMERSLACK: Final = 29
_SLACK_NS: Final = 1000
"""Linux wakes a sleeper up to 50 us late unless it is told otherwise."""
_ENDING_S: Final = 0.5
"""A process whose memory is gone may take so long to be one that has ended."""
_ENDING_STEP_S: Final = 0.01


class PosixOutput:
    """A non-blocking descriptor."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor

    def write(self, data: memoryview) -> int:
        return os.write(self._descriptor, data)

    def wait(self, seconds: float) -> None:
        select.select([], [self._descriptor], [], seconds)

    def finish(self, seconds: float) -> None:
        """What was written is in the pipe."""


class PosixSwitch:
    """A pipe that is waited for with select(2): this is how the sampler sleeps."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parent = os.getppid()

    def wait_for_line(self) -> bool:
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(self._descriptor, 1)
            if not byte:
                return False
            line += byte
        return True

    def wait_for_more(self, seconds: float) -> bool:
        # A child of the parent that forked may hold the pipe open; then only the parent's id tells.
        return bool(select.select([self._descriptor], [], [], seconds)[0]) or os.getppid() != self._parent


class PosixHost:
    """Implements :class:`~nbspy.host.Host`."""

    def __init__(self, *, linux: bool, macos: bool) -> None:
        self._linux = linux
        self._macos = macos

    def cache_folder(self) -> Path:
        from pathlib import Path

        # The specification (XDG base directories) has relative paths ignored.
        given = os.environ.get("XDG_CACHE_HOME", "")
        if os.path.isabs(given):
            return Path(given)
        return Path.home() / ("Library/Caches" if self._macos else ".cache")

    def make_private(self, folder: Path) -> str:
        status = folder.lstat()
        if status.st_uid != os.geteuid():
            return "it is another user's"
        if stat.S_IMODE(status.st_mode) != 0o700:
            folder.chmod(0o700)
        return ""

    def mark_written(self, file: int) -> None:
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def is_written(self, path: Path) -> bool:
        import fcntl

        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def start_apart(self) -> dict[str, Any]:
        return {"start_new_session": True}

    def shares_terminal(self) -> bool:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()

    def block_signals(self, *, of_children: bool = False) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD] if of_children else signal.valid_signals())

    def user_id(self) -> int | None:
        return os.geteuid()

    def ignore_terminal(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def output(self, descriptor: int) -> PosixOutput:
        return PosixOutput(descriptor)

    def switch(self, descriptor: int) -> PosixSwitch:
        return PosixSwitch(descriptor)

    def read_rest(self, pipe: Any, size: int) -> bytes:
        os.set_blocking(pipe.fileno(), False)
        return pipe.read(size) or b""

    def exit_status_of_child(self, pid: int) -> int | None:
        if not hasattr(os, "waitid"):  # macOS has it from Python 3.13 on
            return None
        deadline = time.monotonic() + _ENDING_S
        while True:
            try:
                end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except OSError:
                return None
            if end is not None:
                status = int(end.si_status)
                return status if end.si_code == os.CLD_EXITED else -status
            if time.monotonic() > deadline:
                return None
            time.sleep(_ENDING_STEP_S)

    def was_filtered(self, code: int) -> bool:
        return self._linux and code == -signal.SIGSYS

    def sleep_exactly(self) -> None:
        if self._linux:
            import ctypes

            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, _SLACK_NS, 0, 0, 0)

    def permit_many_files(self) -> None:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
