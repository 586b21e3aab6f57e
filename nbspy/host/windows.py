"""Windows, for our own processes and files. Untested there; what is plain Python is tested everywhere.

Pipes of Windows can neither be waited for with select() nor be trusted to be non-blocking before Python 3.12: a thread
stands between.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Final

MAX_TAKEN_BYTES: Final = 1 << 16
"""What the writing thread may hold: as much as a pipe of Linux does."""
_READ_BYTES: Final = 1 << 12
_LOCK_AT: Final = 1 << 40
"""Where a recording is locked: a lock keeps others from the bytes under it, so it lies far behind them."""
_TIMER_MS: Final = 1


class ThreadedOutput:
    """A pipe that a thread writes to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting = bytearray()
        self._changed = threading.Condition()
        self._error: OSError | None = None
        threading.Thread(target=self._run, name="nbspy-output", daemon=True).start()

    def write(self, data: memoryview) -> int:
        with self._changed:
            if self._error is not None:
                raise self._error
            room = MAX_TAKEN_BYTES - len(self._waiting)
            if room <= 0:
                raise BlockingIOError
            taken = data[:room]
            self._waiting += taken
            self._changed.notify_all()
            return len(taken)

    def wait(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._error or len(self._waiting) < MAX_TAKEN_BYTES, seconds)

    def finish(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._error or not self._waiting, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                portion = bytes(self._waiting)
            try:
                written = os.write(self._descriptor, portion)
            except OSError as err:
                with self._changed:
                    self._error = err
                    self._changed.notify_all()
                return
            with self._changed:
                del self._waiting[:written]  # only now: what is not written yet counts as waiting
                self._changed.notify_all()


class ThreadedSwitch:
    """A pipe that a thread reads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unread = b""
        self._ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="nbspy-input", daemon=True).start()

    def wait_for_line(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or b"\n" in self._unread)
            _, newline, self._unread = self._unread.partition(b"\n")
            return bool(newline)

    def wait_for_more(self, seconds: float) -> bool:
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._ended or self._unread, seconds))

    def _run(self) -> None:
        while True:
            try:
                data = os.read(self._descriptor, _READ_BYTES)
            except OSError:
                data = b""
            with self._changed:
                # Bounded: after the first line one byte says as much as many.
                self._unread = (self._unread + data)[-_READ_BYTES:]
                self._ended = not data
                self._changed.notify_all()
            if not data:
                return


class WindowsHost:
    """Implements :class:`~nbspy.host.Host`."""

    def cache_folder(self) -> Path:
        given = os.environ.get("XDG_CACHE_HOME", "") or os.environ.get("LOCALAPPDATA", "")
        return Path(given) if os.path.isabs(given) else Path.home() / "AppData" / "Local"

    def make_private(self, folder: Path) -> str:
        """A folder below the user's own has the user's own permissions there."""
        return ""

    def mark_written(self, file: int) -> None:
        with contextlib.suppress(OSError):
            self._lock(file)

    def is_written(self, path: Path) -> bool:
        try:
            # Only what is open for writing can be locked; nothing is written.
            file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        except OSError:
            return False
        try:
            self._lock(file)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    def _lock(self, file: int) -> None:
        """Lock one byte, or raise OSError at once; the lock ends with the process or with the file's closing."""
        msvcrt: Any = importlib.import_module("msvcrt")
        os.lseek(file, _LOCK_AT, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(file, 0, os.SEEK_SET)

    def start_apart(self) -> dict[str, Any]:
        """A group of its own is not sent the console's Ctrl-C; without the second flag a console window may open."""
        group: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200)
        no_window: int = getattr(subprocess, "CREATE_NO_WINDOW", 0x8000000)
        return {"creationflags": group | no_window}

    def shares_terminal(self) -> bool:
        return os.isatty(0)

    def block_signals(self, *, of_children: bool = False) -> None:
        """Only the main thread is interrupted."""

    def user_id(self) -> int | None:
        return None

    def ignore_terminal(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def output(self, descriptor: int) -> ThreadedOutput:
        return ThreadedOutput(descriptor)

    def switch(self, descriptor: int) -> ThreadedSwitch:
        return ThreadedSwitch(descriptor)

    def read_rest(self, pipe: Any, size: int) -> bytes:
        """Read in a thread that is not waited for longer than a moment: another process may hold the pipe open."""
        found: list[bytes] = []
        deadline = time.monotonic() + 0.5

        def read() -> None:
            with contextlib.suppress(OSError, ValueError):
                while sum(map(len, found)) < size and (data := os.read(pipe.fileno(), _READ_BYTES)):
                    found.append(data)

        reader = threading.Thread(target=read, name="nbspy-stderr", daemon=True)
        reader.start()
        reader.join(max(0.0, deadline - time.monotonic()))
        return b"".join(found)[:size]

    def was_filtered(self, code: int) -> bool:
        return False

    def exit_status_of_child(self, pid: int) -> int | None:
        return None  # it is told to who holds the child's handle, which we do not

    def sleep_exactly(self) -> None:
        """The clock that wakes sleepers ticks every 15.6 ms unless a process asks for more."""
        import ctypes

        loader: Any = getattr(ctypes, "WinDLL", None)
        with contextlib.suppress(OSError, AttributeError, TypeError):
            loader("winmm").timeBeginPeriod(_TIMER_MS)

    def permit_many_files(self) -> None:
        """Handles are not counted there."""
