"""The shell's commands on files: ``convert``, ``compare`` and ``view``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from nbspy import exporters, files, options
from nbspy.errors import UsageError
from nbspy.exporters.format import Exporter
from nbspy.model.compare_summary import SHOWN_FUNCTIONS, comparison_renderable, comparison_text
from nbspy.model.profile import Profile

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Any]

Say = Callable[[str], None]
"""Writes one line for the person who sees it."""
_IN: Final = "a recording or page of nbspy, or another profiler's file"
_LIMIT: Final = options.Option(
    ("-n", "--limit"), f"functions to list (default: {SHOWN_FUNCTIONS})", options.parse_number, SHOWN_FUNCTIONS, "N"
)
_CONVERT: Final = (
    options.Option(
        ("-f", "--format"), "format to write (default: told by the name of the output)", str, None, "FORMAT"
    ),
    options.Option(("-o", "--output"), "file to write, - for standard output (default: beside IN)", str, None, "OUT"),
    *options.CONTENT,
)
_VIEW: Final = (
    options.Option(("-o", "--output"), "file to write the page to (default: a temporary one)", str, None, "OUT"),
    options.Option(("--no-browser",), "only write the page"),
)


def add_commands(commands: Commands, say: Say) -> None:
    """Add the commands to the parser's."""

    def command(
        name: str,
        run: Callable[[argparse.Namespace, Say], str],
        help: str,
        taken: tuple[options.Option, ...],
        *paths: str,
    ) -> None:
        sub = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        for path in paths:
            sub.add_argument(path.lower() + "_path", metavar=path, help=_IN)
        options.add_to_parser(sub, taken)
        sub.set_defaults(run=lambda arguments: _run(run, arguments, say))

    formats = ", ".join(exporters.names())
    command("convert", _convert, f"write a profile in another format: {formats}", _CONVERT, "IN")
    command("compare", _compare, "show what changed from one profile to another", (_LIMIT,), "BEFORE", "AFTER")
    command("view", _view, "write a profile as a page with the explorer in it, and open that", _VIEW, "FILE")


def _run(run: Callable[[argparse.Namespace, Say], str], arguments: argparse.Namespace, say: Say) -> int:
    if outcome := run(arguments, say):
        say(outcome)
    return 0


def _load(path: str | Path, say: Say) -> Profile:
    """Return the profile in a file; what is wrong with the file is said in a line."""
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        profile = files.load(path)
    for warning in raised:
        say(f"{path}: {warning.message}")
    return profile


def chosen_exporter(name: str | None, output: str | None) -> Exporter | None:
    """Return the format that is asked for by its name, or else by the suffix of the file; None where neither is given.

    Raises :class:`UsageError` where the name, or the suffix of the file, is of no format.
    """
    if name is not None:
        return exporters.get(name)
    return exporters.for_path(output) if output is not None and Path(output).suffix else None


def _convert(arguments: argparse.Namespace, say: Say) -> str:
    source, output = Path(arguments.in_path), arguments.output
    exporter = chosen_exporter(arguments.format, output)
    if exporter is None:
        raise UsageError("no format is given", f"give --format, one of {', '.join(exporters.names())}, or --output")
    content = options.ContentOptions.from_values(arguments)
    profile = _load(source, say)
    if output == "-":
        exporter.write(profile, sys.stdout.buffer, content)
        return ""
    path = Path(output) if output is not None else source.with_name(_stem(source) + exporter.suffix)
    if path.resolve() == source.resolve():
        raise UsageError(f"{path} would be written over itself", "give another --output")
    files.write(profile, path, exporter, content)
    return f"{profile.thread_sample_count:,} samples of {_threads(profile)}, written to {path}"


def _stem(path: Path) -> str:
    """Return the name of a file without the suffix of its format: ``x`` for ``x.speedscope.json``."""
    return path.name.partition(".")[0] or path.name


def _threads(profile: Profile) -> str:
    number = len(profile.thread_totals())
    return "1 thread" if number == 1 else f"{number:,} threads"


def _compare(arguments: argparse.Namespace, say: Say) -> str:
    if arguments.limit < 1:
        raise UsageError(f"--limit {arguments.limit:g} is out of range", "it must be at least 1")
    before = _load(arguments.before_path, say)
    comparison = before.compare(_load(arguments.after_path, say))
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(comparison_renderable(comparison, int(arguments.limit)))
    else:
        print(comparison_text(comparison, int(arguments.limit)))
    return ""


def _view(arguments: argparse.Namespace, say: Say) -> str:
    source = Path(arguments.file_path)
    profile = _load(source, say)
    if arguments.output is not None:
        path = Path(arguments.output)
    else:
        path = Path(tempfile.mkdtemp(prefix="nbspy-")) / f"{_stem(source)}.html"
    files.write(profile, path, exporters.get("html"), options.ContentOptions())
    if arguments.no_browser:
        return f"written to {path}"
    import webbrowser

    opened = webbrowser.open(path.resolve().as_uri())
    return f"{'opened' if opened else 'no browser was found; open'} {path}"
