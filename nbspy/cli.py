"""The command ``nbspy``: parses options, calls what the notebook calls, shows or writes the result.

A refusal is one line on standard error and exit status 1; a wrong option is one line and exit status 2.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from rich.console import Console
from rich.text import Text

import nbspy
from nbspy import cli_formats, doctor, exporters, observe, options, recordings
from nbspy.doctor import Diagnosis
from nbspy.errors import NbspyError, TargetEnded, UsageError
from nbspy.model.profile import Profile
from nbspy.plain_text import printable
from nbspy.session import Session, attach
from nbspy.stack_trace import to_json
from nbspy.table import Table
from nbspy.views import dump_view, tables

REFUSED: Final = 1
WRONG_USAGE: Final = 2
INTERRUPTED: Final = 130
_PROGRESS_S: Final = 0.2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: the process's own) and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character gets its escape
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments = _parser().parse_args(argv)
        run: Callable[[argparse.Namespace], int] = arguments.run
        status = run(arguments)
        sys.stdout.flush()
    except UsageError as err:
        _say(str(err))
        return WRONG_USAGE
    except NbspyError as err:
        _say(str(err))
        return REFUSED
    except BrokenPipeError:
        # Whoever read our output has left. Nothing more can be said, also not at the interpreter's last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _say(text: str) -> None:
    """Write one line to standard error, whatever is in ``text``."""
    print("nbspy:", printable(text), file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, and leaves the exit to :func:`main`."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="nbspy", description="A sampling profiler for running Python processes.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"nbspy {nbspy.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], help: str, *taken: options.Option) -> None:
        sub = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        options.add_to_parser(sub, taken)
        sub.set_defaults(run=run)

    command("record", _record, "sample a process and write where its time goes", options.PID, *options.RECORD)
    command("dump", _dump, "show what each thread of a process does now", options.PID, *options.DUMP)
    command("processes", _processes, "list the Python processes")
    cli_formats.add_commands(commands, _say)
    command("doctor", _doctor, "say whether a process can be sampled, and what is in the way", options.OPTIONAL_PID)
    command("recordings", _recordings, "list what sessions left on disk")
    return parser


# dump and processes


def _dump(arguments: argparse.Namespace) -> int:
    chosen = options.DumpOptions.from_values(arguments)
    dumps = observe.snapshots(arguments.pid, chosen)
    if chosen.json:
        print(json.dumps(to_json([trace for dump in dumps for trace in dump.traces]), indent=2))
    else:
        text = dump_view.dump_rich(dumps, chosen, observe.source_lines() if chosen.source else None)
        Console(highlight=False).print(text, soft_wrap=True)
    return 0


def _processes(_: argparse.Namespace) -> int:
    others = [process for process in observe.processes() if process.pid != os.getpid()]
    _print_table(tables.process_table(others))
    return 0


def _print_table(table: Table | Diagnosis) -> None:
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(table)
    else:
        print(table.text())


def _recordings(_: argparse.Namespace) -> int:
    _print_table(recordings.table(recordings.listing()))
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    diagnosis = doctor.diagnose(arguments.pid)
    _print_table(diagnosis)
    return 0 if diagnosis.ok else REFUSED


# record


def _record(arguments: argparse.Namespace) -> int:
    sampling = options.SamplingOptions.from_values(arguments)
    content = options.ContentOptions.from_values(arguments)
    exporter = cli_formats.chosen_exporter(arguments.format, arguments.output) or exporters.get("collapsed")
    to_stdout = arguments.output == "-"
    output = Path(arguments.output or _default_output(arguments.pid, exporter.suffix))
    stats = Path(arguments.stats) if arguments.stats else None
    for path in filter(None, (None if to_stdout else output, stats)):
        _check_writable(path)
    session = attach(
        arguments.pid,
        rate=sampling.rate,
        duration=sampling.duration,
        nonblocking=sampling.nonblocking,
        recording=sampling.recording,
        subprocesses=sampling.subprocesses,
    )
    with session:
        _follow(session)
        profile = session.stop()
    try:
        with contextlib.nullcontext(sys.stdout.buffer) if to_stdout else output.open("wb") as file:
            exporter.write(profile, file, content)
        if stats is not None:
            stats.write_text(json.dumps(sampler_figures(profile), indent=2) + "\n", encoding="utf-8")
    except OSError as err:
        raise NbspyError(f"cannot write {err.filename or output}: {err.strerror}") from err
    _say(_outcome(session, profile, "standard output" if to_stdout else str(output)))
    return REFUSED if session.error is not None else 0


def _default_output(pid: int, suffix: str) -> str:
    return f"nbspy-{pid}-{time.strftime('%Y%m%d-%H%M%S')}{suffix}"


def _check_writable(path: Path) -> None:
    """Refuse before anything is started what could not be written at the end."""
    folder = path.parent
    if path.is_dir():
        raise NbspyError(f"cannot write {path}: it is a folder", "name a file")
    if not folder.is_dir():
        raise NbspyError(f"cannot write {path}: there is no folder {folder}", "make it first, or name another")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise NbspyError(f"cannot write {path}: permission denied", "name a file in a folder of yours")


def _follow(session: Session) -> None:
    """Wait for the session's end, or for Ctrl-C, which ends it in order; show progress on a terminal."""
    console = Console(stderr=True, highlight=False)
    try:
        if not console.is_terminal:
            session.wait()
            return
        with console.status(Text("attached")) as line:
            while session.running:
                session.wait(_PROGRESS_S)
                line.update(Text(_progress(session)))
    except KeyboardInterrupt:
        return


def _progress(session: Session) -> str:
    status = session.status
    if status is None or not status.time_ns:
        return f"sampling process {session.pid}"
    counts = [
        f"{number:,} {word}" for number, word in ((status.late, "late"), (status.discarded, "discarded")) if number
    ]
    seconds = status.time_ns / 1e9
    parts = [
        f"process {session.pid}",
        f"{seconds:.1f} s",
        f"{status.samples:,} samples",
        f"{status.samples / seconds:.0f}/s",
    ]
    return " · ".join([*parts, *counts, "Ctrl-C ends"])


def _outcome(session: Session, profile: Profile, output: str) -> str:
    seen = f"{profile.sample_count:,} samples in {profile.duration_ns / 1e9:.1f} s"
    error = session.error
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
