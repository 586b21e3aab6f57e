"""``nbspy top``: where a process, or a command, spends its time now; live, in the terminal.

Keys are read one by one from the terminal, without echo; the mouse is the terminal's own. Nothing is sent that a
terminal at the other end of a slow line would choke on: four pictures a second, or as few as ``--delay`` says.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from typing import Final

from rich.console import Console, Group
from rich.live import Live

from nbspy import launched
from nbspy.cli_record import REFUSED, check_target, ending_signals, say
from nbspy.errors import NbspyError, TargetEnded, UnsupportedPlatform, UsageError
from nbspy.host import WINDOWS
from nbspy.host.terminal import keys_of_terminal
from nbspy.options import ContentOptions, SamplingOptions
from nbspy.plain_text import printable
from nbspy.session import Session, attach
from nbspy.views.top_screen import Screen, lines
from nbspy.views.top_table import TopCounts

_DELAYS_S: Final = (0.05, 60.0)
_PATIENCE_S: Final = 5.0
"""How long a command may take to end when it is asked to."""


def top(arguments: argparse.Namespace) -> int:
    """Run ``nbspy top``; return its exit status."""
    check_target(arguments)
    sampling = SamplingOptions.from_values(arguments)
    content = ContentOptions.from_values(arguments)
    delay_s: float = arguments.delay
    if not _DELAYS_S[0] <= delay_s <= _DELAYS_S[1]:
        raise UsageError(f"--delay {delay_s:g} is out of range", "it takes {:g} to {:g} seconds".format(*_DELAYS_S))
    counts = TopCounts(gil=content.gil, idle=content.idle, full_filenames=content.full_filenames)
    if WINDOWS:
        raise UnsupportedPlatform("nbspy top does not run on Windows yet", "nbspy record does")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise NbspyError(
            "nbspy top needs a terminal", "nbspy record writes to a file, nbspy dump shows what is done now"
        )
    with ending_signals():
        if arguments.command is not None:
            return _top_command(arguments.command, sampling, counts, delay_s)
        with attach(
            arguments.pid,
            rate=sampling.rate,
            duration=sampling.duration,
            nonblocking=sampling.nonblocking,
            recording=sampling.recording,
            subprocesses=sampling.subprocesses,
        ) as session:
            _show(session, counts, delay_s)
    return 0 if session.error is None or isinstance(session.error, TargetEnded) else _failed(session.error)


def _failed(error: NbspyError) -> int:
    say(str(error))
    return REFUSED


def _top_command(words: list[str], sampling: SamplingOptions, counts: TopCounts, delay_s: float) -> int:
    """Show a command from its beginning; its output goes nowhere, and it is ended with the picture."""
    with launched.launch(words, sampling, quiet=True) as started:
        command = started.command
        if started.session is None:
            assert started.refusal is not None
            command.send(signal.SIGTERM)
            raise started.refusal
        _show(started.session, counts, delay_s)
        command.send(signal.SIGTERM)
        if command.wait(_PATIENCE_S) is None:
            say(f"the command has not ended; it runs on as process {command.pid}")
            return REFUSED
    status, how = launched.exit_status(command.returncode or 0)
    if how and command.returncode != -signal.SIGTERM:
        say(how)
    return 0 if command.returncode == -signal.SIGTERM else status


def _show(session: Session, counts: TopCounts, delay_s: float) -> None:
    """Show the session until a key or a signal ends it; its end keeps the last picture."""
    console = Console(highlight=False)
    screen = Screen()
    title = f"nbspy top · {session.hello.command_line or session.pid}"
    with (
        keys_of_terminal() as keys,
        Live(console=console, screen=True, auto_refresh=False) as live,
        contextlib.suppress(KeyboardInterrupt),
    ):
        while not screen.quit:
            if not screen.paused:
                counts.take(session.profile)
            if screen.reset:
                counts.reset()
                screen.reset = False
            size = console.size
            shown = lines(counts, screen, title, _state(session), size.width, size.height)
            live.update(Group(*shown), refresh=True)
            for key in keys.read(delay_s):
                screen.press(key)


def _state(session: Session) -> str:
    """Return one line: the figures while it runs, and how it ended."""
    status = session.status
    seconds = status.time_ns / 1e9 if status else 0.0
    parts = [f"pid {session.pid}"]
    if session.hello.python_version:
        parts.append(f"Python {printable(session.hello.python_version, 40)}")
    if status is not None and seconds:
        parts += [f"{seconds:.1f} s", f"{status.samples:,} samples", f"{status.samples / seconds:.0f}/s"]
        counted = ((status.late, "late"), (status.discarded, "discarded"))
        parts += [f"{number:,} {word}" for number, word in counted if number]
    if not session.running:
        error = session.error
        ended = error is None or isinstance(error, TargetEnded)
        parts.insert(0, "ENDED" if ended else f"ENDED: {printable(str(error))}")
    return " · ".join(parts)
