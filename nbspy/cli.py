"""The command ``nbspy``: parses options, calls what the notebook calls, shows or writes the result.

A refusal is one line on standard error and exit status 1; a wrong option is one line and exit status 2.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from rich.console import Console

import nbspy
from nbspy import cli_completion, cli_formats, cli_record, cli_top, doctor, observe, options, recordings
from nbspy.cli_record import say
from nbspy.doctor import Diagnosis
from nbspy.errors import NbspyError, UsageError
from nbspy.stack_trace import to_json
from nbspy.table import Table
from nbspy.usage_parser import UsageParser
from nbspy.views import dump_view, tables

REFUSED: Final = 1
WRONG_USAGE: Final = 2
INTERRUPTED: Final = 130
_TAKE_COMMAND: Final = (cli_record.record, cli_top.top)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: the process's own) and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character gets its escape
            stream.reconfigure(errors="backslashreplace")
    try:
        words, command = _divided(list(sys.argv[1:] if argv is None else argv))
        arguments = _parser().parse_args(words)
        if command is not None and arguments.run not in _TAKE_COMMAND:
            raise UsageError(f"{' '.join(words[:1])} takes no command", "nbspy record and nbspy top do, after --")
        arguments.command = command
        run: Callable[[argparse.Namespace], int] = arguments.run
        status = run(arguments)
        sys.stdout.flush()
    except UsageError as err:
        say(str(err))
        return WRONG_USAGE
    except NbspyError as err:
        say(str(err))
        return REFUSED
    except BrokenPipeError:
        # Whoever read our output has left. Nothing more can be said, also not at the interpreter's last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _divided(argv: list[str]) -> tuple[list[str], list[str] | None]:
    """Return what comes before ``--``, and the command after it; None where there is no ``--``."""
    if "--" not in argv:
        return argv, None
    place = argv.index("--")
    return argv[:place], argv[place + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = UsageParser(
        prog="nbspy", description="A sampling profiler for running Python processes.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"nbspy {nbspy.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], help: str, *taken: options.Option) -> None:
        sub = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        options.add_to_parser(sub, taken)
        sub.set_defaults(run=run)

    command(
        "record",
        cli_record.record,
        "sample a process, or a command after --, and write where its time goes",
        *options.RECORD,
    )
    command("top", cli_top.top, "show where a process, or a command after --, spends its time, live", *options.TOP)
    command("dump", _dump, "show what each thread of a process does now", options.PID, *options.DUMP)
    command("processes", _processes, "list the Python processes")
    cli_formats.add_commands(commands, say)
    command("doctor", _doctor, "say whether a process can be sampled, and what is in the way", options.OPTIONAL_PID)
    command("recordings", _recordings, "list what sessions left on disk")
    command(
        "completion",
        lambda arguments: _completion(arguments, commands),
        "print the script that completes in your shell: bash, zsh or fish",
        options.SHELL,
        options.PIDS,
    )
    return parser


def _completion(arguments: argparse.Namespace, commands: Any) -> int:
    if arguments.pids:
        print(cli_completion.pid_lines(), end="")
    elif arguments.shell is None:
        raise UsageError("no shell is given", f"give one of {', '.join(cli_completion.SHELLS)}")
    else:
        print(cli_completion.script(arguments.shell, cli_completion.commands_of(commands)), end="")
    return 0


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
