"""The machine that we run on, as far as operating systems differ: our own files, pipes, processes and waits.

What differs about the process that is *read* lies in :mod:`nbspy.target`; these two are the only places that ask which
platform this is (a test holds that). Each platform's module offers :class:`Host`; both can be imported everywhere,
so that what needs no foreign kernel is tested on any machine. Windows: written, untested.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from pathlib import Path

WINDOWS: Final = sys.platform == "win32"
"""Also for the few tests that can run on one side only."""


class Output(Protocol):
    """A pipe that is written to without waiting for its reader."""

    def write(self, data: memoryview) -> int:
        """Write what it takes now and return how many bytes; raises BlockingIOError for none, OSError where broken."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait until it may take more, or for so long."""
        ...

    def finish(self, seconds: float) -> None:
        """Wait until everything that was taken is with the reader, or for so long."""
        ...


class Switch(Protocol):
    """The standard input of a child process: the parent says through it when to begin and when to stop."""

    def wait_for_line(self) -> bool:
        """Wait for a line; False where the input ends instead."""
        ...

    def wait_for_more(self, seconds: float) -> bool:
        """Wait for so long; True as soon as there is more to read, or the input has ended."""
        ...


class Host(Protocol):
    """What the rest of nbspy asks of the operating system."""

    def cache_folder(self) -> Path:
        """Return where programs keep what they can do without; raises RuntimeError where the user has no home."""
        ...

    def make_private(self, folder: Path) -> str:
        """See to it that only its owner may look into ``folder``; return why it is not ours, or "". Raises OSError."""
        ...

    def mark_written(self, file: int) -> None:
        """Mark an open file as being written, for as long as this process lives, where the file system can do so."""
        ...

    def is_written(self, path: Path) -> bool:
        """True while a process has marked the file."""
        ...

    def start_apart(self) -> dict[str, Any]:
        """Return the options for ``subprocess.Popen`` that keep a terminal's interrupt from a child."""
        ...

    def shares_terminal(self) -> bool:
        """True where a terminal sends what is typed to interrupt to this process, and to those that it has started."""
        ...

    def block_signals(self, *, of_children: bool = False) -> None:
        """Let this thread, and those it starts, be interrupted by no signal, or by none about children."""
        ...

    def user_id(self) -> int | None:
        """Return the number of the user that this process runs as; None where users have none."""
        ...

    def ignore_terminal(self) -> None:
        """Let this process not end by what a terminal sends, nor by a pipe whose reader is gone."""
        ...

    def output(self, descriptor: int) -> Output:
        """Return the pipe ``descriptor`` as one that is never waited for."""
        ...

    def switch(self, descriptor: int) -> Switch:
        """Return the pipe ``descriptor`` as one that can be waited for."""
        ...

    def read_rest(self, pipe: Any, size: int) -> bytes:
        """Return what is left in the pipe of an ended child, ``size`` bytes at most; never wait for another writer."""
        ...

    def was_filtered(self, code: int) -> bool:
        """True for the exit code of a child that a filter of the kernel killed."""
        ...

    def exit_status_of_child(self, pid: int) -> int | None:
        """Return how a child of this process ended, as of ``subprocess``, and leave it to be waited for.

        None where it is no child, was waited for already, or does not end within a moment.
        """
        ...

    def sleep_exactly(self) -> None:
        """Have this process woken when it asked for it, not some time later."""
        ...

    def permit_many_files(self) -> None:
        """Let this process have as many open files as the system lets it."""
        ...


def _choose() -> Host:
    if WINDOWS:
        from nbspy.host.windows import WindowsHost

        return WindowsHost()
    from nbspy.host.posix import PosixHost

    return PosixHost(linux=sys.platform == "linux", macos=sys.platform == "darwin")


host: Final[Host] = _choose()
