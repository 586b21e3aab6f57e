"""``nbspy record``: sample a process, or a command from its beginning, and write where its time goes.

While it samples, the sampler writes the recording as well (:mod:`nbspy.recordings`): whatever ends this process, what
was seen is on disk. What is asked for is written at the end, also where a signal brings that about.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from nbspy import cli_formats, exporters, launched
from nbspy.errors import NbspyError, ProcessNotFound, TargetEnded, UsageError
from nbspy.exporters.format import Exporter
from nbspy.host import host
from nbspy.model.profile import Profile
from nbspy.options import ContentOptions, SamplingOptions
from nbspy.plain_text import printable
from nbspy.session import Session, attach

REFUSED: Final = 1
INTERRUPTED: Final = 130
_PROGRESS_S: Final = 0.2
_ENDING: Final = ("SIGTERM", "SIGHUP")


class _Ended(KeyboardInterrupt):
    """A signal asks this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def say(text: str) -> None:
    """Write one line to standard error, whatever is in ``text``."""
    print("nbspy:", printable(text), file=sys.stderr)


def check_target(arguments: argparse.Namespace) -> None:
    """Raise :class:`UsageError` unless there is either a pid or a command."""
    if arguments.command is None:
        if arguments.pid is None:
            raise UsageError("no process is given", "give -p/--pid, or a command after --: -- python app.py")
    elif arguments.pid is not None:
        raise UsageError("-p/--pid and a command are given", "give one of them")
    elif not arguments.command:
        raise UsageError("there is no command after --", "write it there: -- python app.py")


class _Outcome:
    """What is to be written, and where."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._content = ContentOptions.from_values(arguments)
        chosen = cli_formats.chosen_exporter(arguments.format, arguments.output)
        self._exporter: Exporter = chosen or exporters.get("collapsed")
        self._to_stdout = arguments.output == "-"
        name = arguments.output or _default_output(arguments, self._exporter.suffix)
        self._output = Path(name)
        self._stats = Path(arguments.stats) if arguments.stats else None
        for path in filter(None, (None if self._to_stdout else self._output, self._stats)):
            _check_writable(path)

    def watched(self, session: Session) -> contextlib.AbstractContextManager[None]:
        """While it lasts, and at its end, collect the source of what ``session`` sees, where it is to be written."""
        wanted = session.with_source and self._exporter.holds_source
        return _collecting_source(session) if wanted else contextlib.nullcontext()

    def write(self, session: Session, profile: Profile, ended: str = "") -> int:
        """Write the profile and say so; return the exit status. ``ended``: what to say of a command's end."""
        try:
            with contextlib.nullcontext(sys.stdout.buffer) if self._to_stdout else self._output.open("wb") as file:
                self._exporter.write(profile, file, self._content)
            if self._stats is not None:
                self._stats.write_text(json.dumps(sampler_figures(profile), indent=2) + "\n", encoding="utf-8")
        except OSError as err:
            kept = f"; the recording is {session.recording}" if session.recording is not None else ""
            raise NbspyError(f"cannot write {err.filename or self._output}: {err.strerror}{kept}") from err
        say(_outcome(session, profile, "standard output" if self._to_stdout else str(self._output), ended))
        if session.error is None or (ended and isinstance(session.error, TargetEnded)):
            return 0
        return REFUSED


def record(arguments: argparse.Namespace) -> int:
    """Run ``nbspy record``; return its exit status."""
    check_target(arguments)
    sampling = SamplingOptions.from_values(arguments)
    outcome = _Outcome(arguments)
    with ending_signals():
        if arguments.command is not None:
            return _record_command(arguments.command, sampling, outcome)
        session = attach(
            arguments.pid,
            rate=sampling.rate,
            duration=sampling.duration,
            nonblocking=sampling.nonblocking,
            recording=sampling.recording,
            subprocesses=sampling.subprocesses,
            source_lines=sampling.source_lines,
        )
        with session:
            by = _follow_to_the_end(session, outcome)
    return outcome.write(session, session.profile) or (128 + by if by not in (0, signal.SIGINT) else 0)


def _record_command(words: list[str], sampling: SamplingOptions, outcome: _Outcome) -> int:
    """Record a command from its beginning; return its own exit status where nothing went wrong here."""
    problem = 0
    with launched.launch(words, sampling) as started:
        command, session = started.command, started.session
        by = 0
        if session is not None:
            by = _follow_to_the_end(session, outcome, command)
            if by:
                _pass_on(by, command)
            ended = "the command" if command.wait(1.0 if isinstance(session.error, TargetEnded) else 0) is None else ""
            said = "runs on" if ended else launched.exit_status(command.returncode or 0)[1] or "the command ended"
            if command.returncode is not None:
                session.add_exit_status(command.returncode)
            problem = outcome.write(session, session.profile, f"{ended} {said}".strip())
        else:
            assert started.refusal is not None
            ends_at_once = isinstance(started.refusal, (TargetEnded, ProcessNotFound))
            say("the command ended before it could be sampled" if ends_at_once else _refused(started.refusal))
            problem = 0 if ends_at_once else REFUSED
        try:
            code = command.wait()
        except KeyboardInterrupt as err:
            _pass_on(getattr(err, "number", signal.SIGINT), command)
            return INTERRUPTED
    return launched.exit_status(code or 0)[0] or problem


def _refused(refusal: NbspyError) -> str:
    return f"the command runs, and is not sampled: {refusal} (what it starts is, with --subprocesses)"


def _pass_on(number: int, command: launched.Command) -> None:
    """Send the command the signal that we were sent, unless the terminal has sent it to both of us."""
    if number == signal.SIGINT:
        with contextlib.suppress(OSError):
            if host.shares_terminal():
                return
    command.send(number)


@contextmanager
def _collecting_source(session: Session) -> Iterator[None]:
    from nbspy.source_texts import SessionSources  # other formats need none of it

    sources = SessionSources(session)
    sources.start()
    try:
        yield
    finally:
        sources.finish()  # what the stream takes no more, the profile does


@contextmanager
def ending_signals() -> Iterator[None]:
    """Let the signals that ask a process to end do what Ctrl-C does: end in order."""

    def end(number: int, _: FrameType | None) -> None:
        raise _Ended(number)

    before = {}
    for name in _ENDING:
        number = getattr(signal, name, None)
        if number is not None:
            with contextlib.suppress(ValueError):  # not in the main thread: whose they are
                if signal.getsignal(number) is signal.SIG_DFL:
                    before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _default_output(arguments: argparse.Namespace, suffix: str) -> str:
    """Return ``nbspy-WHAT-TIME.SUFFIX``; what is the pid, or the program or script that is started."""
    what = str(arguments.pid)
    if arguments.command:
        words = [word for word in arguments.command if not word.startswith("-")]
        script = next((word for word in words[1:3] if word.endswith(".py")), words[0] if words else "command")
        what = "".join(c if c.isalnum() or c in "_." else "-" for c in Path(script).stem)[:40] or "command"
    return f"nbspy-{what}-{time.strftime('%Y%m%d-%H%M%S')}{suffix}"


def _check_writable(path: Path) -> None:
    """Refuse before anything is started what could not be written at the end."""
    folder = path.parent
    if path.is_dir():
        raise NbspyError(f"cannot write {path}: it is a folder", "name a file")
    if not folder.is_dir():
        raise NbspyError(f"cannot write {path}: there is no folder {folder}", "make it first, or name another")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise NbspyError(f"cannot write {path}: permission denied", "name a file in a folder of yours")


def _follow_to_the_end(session: Session, outcome: _Outcome, command: launched.Command | None = None) -> int:
    """Follow the session, and stop it; return the signal that ended it, 0 for none.

    A signal that comes while what is to be watched is made ready, which imports much, counts like any other.
    """
    try:
        with outcome.watched(session):
            by = _follow(session, command)
            session.stop()
    except KeyboardInterrupt as err:
        session.stop()
        return int(getattr(err, "number", signal.SIGINT))
    return by


def _follow(session: Session, command: launched.Command | None = None) -> int:
    """Wait for the session's end, or for a signal, which ends it in order; show progress on a terminal.

    Returns the signal, 0 for none. The sampling of a command ends with it, also where its children run on. A command
    has the terminal: no progress is shown then.
    """
    console = Console(stderr=True, highlight=False)
    try:
        if command is not None:
            while session.running and command.returncode is None:
                session.wait(_PROGRESS_S)
                command.wait(0)
            return 0
        if not sys.stderr.isatty():  # rich can be told otherwise by the environment, and a kernel does
            session.wait()
            return 0
        with console.status(Text("attached")) as line:
            while session.running:
                session.wait(_PROGRESS_S)
                line.update(Text(progress(session)))
    except KeyboardInterrupt as err:
        return int(getattr(err, "number", signal.SIGINT))
    return 0


def progress(session: Session) -> str:
    """Return one line: how long, how many samples, how many a second, what went wrong."""
    status = session.status
    if status is None or not status.time_ns:
        return f"sampling process {session.pid}"
    counts = [
        f"{number:,} {word}" for number, word in ((status.late, "late"), (status.discarded, "discarded")) if number
    ]
    seconds = status.time_ns / 1e9
    several = session.process_count
    parts = [
        f"process {session.pid}" + (f" and {several - 1} below it" if several > 1 else ""),
        f"{seconds:.1f} s",
        f"{status.samples:,} samples",
        f"{status.samples / seconds:.0f}/s",
    ]
    return " · ".join([*parts, *counts, "Ctrl-C ends"])


def _outcome(session: Session, profile: Profile, output: str, ended: str) -> str:
    seen = f"{profile.sample_count:,} samples in {profile.duration_ns / 1e9:.1f} s"
    error = session.error
    if ended and (error is None or isinstance(error, TargetEnded)):
        return f"{ended}; {seen}, written to {output}"
    if error is None:
        return f"{seen}, written to {output}"
    if isinstance(error, TargetEnded):
        return f"process {session.pid} ended while it was sampled; what was seen until then ({seen}) is in {output}"
    return f"{error}; what was seen until then ({seen}) is in {output}"


def sampler_figures(profile: Profile) -> dict[str, Any]:
    """Return what the sampler says of itself, as JSON-ready values; None where it said nothing. Times in ns."""
    status = profile.status
    names = ("late", "retried", "discarded", "attach_ns", "cpu_ns")
    return {
        "wall_ns": profile.duration_ns,
        "samples": profile.sample_count,
        "thread_samples": status.thread_samples if status else profile.thread_sample_count,
        **{name: getattr(status, name, None) for name in names},
        "stop_ns": {
            "count": status.stop_count if status else None,
            "median": status.stop_median_ns if status else None,
            "p99": status.stop_p99_ns if status else None,
            "total": status.stop_total_ns if status else None,
        },
    }
