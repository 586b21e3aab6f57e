"""A command that was started to be sampled from its beginning: ``nbspy record -- command``.

The sampler starts it (:mod:`nbspy.sampling.launch`); who asked hears through a pipe which process it is and how it
ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from nbspy.errors import NbspyError, UnsupportedPlatform
from nbspy.host import WINDOWS
from nbspy.options import SamplingOptions
from nbspy.sampling.launch import LaunchPlan
from nbspy.session import Session, begin

_SLICE_S: Final = 0.2


@dataclass(slots=True)
class Command:
    """The command that runs."""

    words: Sequence[str]
    pid: int = 0
    """0 while it has not begun."""
    returncode: int | None = None
    """As of ``subprocess``: negative for the signal that killed it; None while it runs, or where nobody could tell."""
    _report: int = -1
    _pending: bytes = b""

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it has ended, or for ``timeout`` seconds; return :attr:`returncode`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._report >= 0:
            left = _SLICE_S if deadline is None else min(_SLICE_S, deadline - time.monotonic())
            if select.select([self._report], [], [], max(0.0, left))[0]:
                self._hear()
            elif deadline is not None and left <= 0:
                break
        return self.returncode

    def send(self, number: int) -> None:
        """Send it a signal, while it runs."""
        self.wait(0)
        if self.pid and self._report >= 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def close(self) -> None:
        """Hear no more of it; it runs on."""
        if self._report >= 0:
            os.close(self._report)
            self._report = -1

    def _hear(self) -> None:
        data = os.read(self._report, 4096)
        self._pending += data
        *lines, self._pending = self._pending.split(b"\n")
        for line in lines:
            word, _, number = line.partition(b" ")
            if word == b"pid":
                self.pid = int(number)
            elif word == b"exit":
                self.returncode = os.waitstatus_to_exitcode(int(number))
        if not data or self.returncode is not None:
            self.close()


@dataclass(frozen=True, slots=True)
class Launched:
    """A command that was started, and its session; or why there is none."""

    command: Command
    session: Session | None
    refusal: NbspyError | None


@contextmanager
def launch(words: Sequence[str], options: SamplingOptions, *, quiet: bool = False) -> Iterator[Launched]:
    """Start a command that is sampled from its beginning, with this process's terminal, folder and environment.

    ``quiet``: without the terminal; it reads nothing, and what it writes goes nowhere.
    Leaving the block stops the sampling; the command runs on. Raises :class:`~nbspy.errors.NbspyError` where the
    command cannot be started. One that cannot be sampled runs on, and so does one that has ended at once.
    """
    if WINDOWS:
        raise UnsupportedPlatform("nbspy cannot start commands on Windows yet", "start it, and attach with --pid")
    report, told = os.pipe()
    command = Command(list(words), _report=report)
    try:
        session, refusal = None, None
        try:
            session = _begin(words, options, told, quiet)
        except NbspyError as err:
            os.close(told)
            told = -1
            command.wait(0)
            if not command.pid:
                raise
            refusal = err
        finally:
            if told >= 0:
                os.close(told)
        command.wait(0)
        with session or contextlib.nullcontext():
            yield Launched(command, session, refusal)
    finally:
        command.close()


def _begin(words: Sequence[str], options: SamplingOptions, told: int, quiet: bool) -> Session:
    opened: list[int] = []
    try:
        for number in (0, 1, 2):
            try:
                opened.append(os.open(os.devnull, os.O_RDWR) if quiet else os.dup(number))
            except OSError:  # we were started without it
                opened.append(os.open(os.devnull, os.O_RDWR))
        plan = LaunchPlan(list(words), dict(os.environ), (opened[0], opened[1], opened[2]), told)
        with tempfile.TemporaryFile() as file:
            file.write(plan.to_json())
            file.flush()
            return begin(0, options, launched=(file.fileno(), (*opened, told)))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def exit_status(returncode: int) -> tuple[int, str]:
    """Return the status a shell would have, and what is to be said of it: "" where the command ended well."""
    if returncode == 0:
        return 0, ""
    if returncode > 0:
        return returncode, f"the command ended with exit status {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    return 128 - returncode, f"the command was ended by {name}"
