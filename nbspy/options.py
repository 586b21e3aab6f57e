"""The options, defined once for the shell and for the magics.

An :class:`Option` says how one is written and what it means; the dataclasses below hold checked values. The
names are py-spy's where it has one. Nothing here starts anything.
"""

from __future__ import annotations

import argparse
import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from nbspy.errors import UsageError

MIN_RATE: Final = 1
MAX_RATE: Final = 20_000
MAX_DURATION: Final = 365 * 24 * 3600.0
MAX_PID: Final = 2**31 - 1
LOCALS_CHARS: Final = 128
MAX_LOCALS: Final = 6
"""More repetitions of --locals than this mean the same: 131,072 characters."""


class LineMode(enum.Enum):
    """Which line stands for a frame."""

    CURRENT = enum.auto()
    """That of the instruction that runs, or has called."""
    FIRST = enum.auto()
    """Where its function begins."""
    NONE = enum.auto()


def parse_pid(text: str) -> int:
    """Return the pid in ``text``, decimal or hexadecimal (0x...); raises :class:`UsageError`."""
    try:
        pid = int(text, 16) if text.lower().startswith("0x") else int(text)
    except ValueError:
        raise UsageError(f"{text!r} is no pid", "a pid is a whole number; nbspy processes lists them") from None
    return check_pid(pid)


def check_pid(pid: int) -> int:
    """Return ``pid`` where it can be one; raises :class:`UsageError`."""
    if isinstance(pid, bool) or not isinstance(pid, int) or not 0 < pid <= MAX_PID:
        raise UsageError(f"{pid!r} is no pid", "a pid is a whole number above 0; nbspy processes lists them")
    return pid


def parse_number(text: str) -> float:
    """Return the finite number in ``text``; raises :class:`UsageError`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{text!r} is no number")
    return value


@dataclass(frozen=True, slots=True)
class Option:
    """One option: how it is written, what it takes and what it means."""

    flags: tuple[str, ...]
    """As written, the long form last: ("-r", "--rate")."""
    help: str
    type: Callable[[str], Any] | None = None
    """Turns the text into the value; None for a switch (absent is False)."""
    default: Any = None
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    required: bool = False
    counts: bool = False
    """A switch that may be given several times; its value is how often it was."""
    turns_off: bool = False
    """A switch ``--no-NAME`` that turns off what is on without it: its value is True where it is absent."""

    @property
    def is_positional(self) -> bool:
        """True for a word without a flag, which may be left out."""
        return not self.flags[0].startswith("-")

    @property
    def name(self) -> str:
        """The long form as an identifier: ``full_filenames``."""
        name = self.flags[-1].lstrip("-").replace("-", "_")
        return name.removeprefix("no_") if self.turns_off else name

    @property
    def is_switch(self) -> bool:
        return self.type is None

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of ``ArgumentParser.add_argument`` (IPython's ``argument`` takes the same)."""
        if self.counts:
            return {"action": "count", "dest": self.name, "default": 0, "help": self.help}
        if self.turns_off:
            return {"action": "store_false", "dest": self.name, "help": self.help}
        if self.is_switch:
            return {"action": "store_true", "dest": self.name, "help": self.help}
        if self.is_positional:
            taken = {"type": _as_argument_type(self), "nargs": "?", "default": self.default, "metavar": self.metavar}
            return {**taken, "help": self.help}
        return {
            "type": _as_argument_type(self),
            "dest": self.name,
            "default": self.default,
            "metavar": self.metavar,
            "choices": self.choices,
            "required": self.required,
            "help": self.help,
        }


def _as_argument_type(option: Option) -> Callable[[str], Any]:
    """Return ``option.type`` with its refusal in the words that argparse prints."""

    def convert(text: str) -> Any:
        assert option.type is not None
        try:
            return option.type(text)
        except UsageError as err:
            raise argparse.ArgumentTypeError(str(err)) from err

    convert.__name__ = option.name
    return convert


def add_to_parser(parser: argparse.ArgumentParser, options: Sequence[Option]) -> None:
    """Add ``options`` to ``parser``; the parsed values are under each option's ``name``."""
    for option in options:
        parser.add_argument(*option.flags, **option.arguments())


def option_of(options: Sequence[Option], name: str) -> Option:
    """Return the one of ``options`` whose long form is ``name``."""
    return next(option for option in options if option.name == name)


PID: Final = Option(
    ("-p", "--pid"), "the process to look at, decimal or 0x hexadecimal", parse_pid, metavar="PID", required=True
)

PID_OR_COMMAND: Final = Option(
    ("-p", "--pid"), "the process to look at, decimal or 0x hexadecimal; or else -- COMMAND", parse_pid, metavar="PID"
)

OPTIONAL_PID: Final = Option(("pid",), "the process to look at (default: this one)", parse_pid, metavar="PID")

SHELL: Final = Option(("shell",), "bash, zsh or fish", str, metavar="SHELL")
PIDS: Final = Option(("--pids",), "only print the pids, with what they run: what the scripts ask for")

SAMPLING: Final = (
    Option(("-r", "--rate"), "samples per second (default: 100)", parse_number, 100.0, "HZ"),
    Option(("-d", "--duration"), "seconds to sample for (default: until stopped)", parse_number, None, "SECONDS"),
    Option(("--no-recording",), "keep no copy on disk of what is seen ('nbspy recordings' lists them)", turns_off=True),
    Option(("--no-source-lines",), "send no lines of source files along with what is seen", turns_off=True),
    Option(("--nonblocking",), "never stop the target; samples that cannot be proven consistent are discarded"),
    Option(("-s", "--subprocesses"), "the processes it has started or starts too, as far as they run Python"),
)
"""How a target is sampled."""

CONTENT: Final = (
    Option(("-g", "--gil"), "only samples of threads that hold the GIL"),
    Option(("-i", "--idle"), "also samples of idle threads"),
    Option(("-t", "--threads"), "show the thread at the root of each stack"),
    Option(("-F", "--function"), "one frame a function, at its first line, instead of one a line"),
    Option(("--nolineno",), "leave line numbers out"),
    Option(("--full-filenames",), "full file names instead of the part below the outermost package"),
    Option(("--merge-processes",), "equal stacks of several processes are one (without it each has its process in it)"),
)
"""What of a profile is written, and how a frame is written."""

FILES: Final = (
    Option(("-f", "--format"), "format of the output (default: told by its name, or collapsed)", str, None, "FORMAT"),
    Option(("-o", "--output"), "file to write, - for standard output (default: a name of its own)", str, None, "FILE"),
    Option(("--stats",), "write the sampler's own figures to this file, as JSON", str, None, "FILE"),
)
"""Where a recording goes."""

RECORD: Final = (PID_OR_COMMAND, *SAMPLING, *CONTENT, *FILES)

TOP: Final = (
    PID_OR_COMMAND,
    *(option for option in SAMPLING if option.name != "source_lines"),
    option_of(CONTENT, "gil"),
    option_of(CONTENT, "idle"),
    option_of(CONTENT, "full_filenames"),
    Option(("--delay",), "seconds between two pictures (default: 0.25)", parse_number, 0.25, "SECONDS"),
)

DUMP: Final = (
    Option(("-j", "--json"), "JSON: an array with one object a thread, frames leaf first"),
    Option(("-l", "--locals"), "local variables too; twice and more often: longer values (128, 512, ...)", counts=True),
    Option(("-g", "--gil"), "only threads that hold the GIL"),
    Option(("-i", "--idle"), "with --gil: idle threads as well (without --gil every thread is shown)"),
    Option(("-s", "--subprocesses"), "the processes it has started too, as far as they run Python"),
    Option(("-F", "--function"), "the first line of each function, instead of the line that runs"),
    Option(("--nolineno",), "leave line numbers out"),
    Option(("--source",), "show the source line of each frame, where its file can be read"),
    option_of(CONTENT, "full_filenames"),
    option_of(SAMPLING, "nonblocking"),
)


class _FromMapping:
    """Takes from a namespace or mapping the values that the dataclass has fields for."""

    __slots__ = ()

    @classmethod
    def from_values(cls, values: argparse.Namespace | dict[str, Any]) -> Self:
        given = values if isinstance(values, dict) else vars(values)
        names = {field.name for field in fields(cls)}  # type: ignore[arg-type]  # subclasses are dataclasses
        return cls(**{name: value for name, value in given.items() if name in names})


@dataclass(frozen=True, slots=True)
class SamplingOptions(_FromMapping):
    """How a target is sampled; raises :class:`UsageError` naming the option that is wrong."""

    rate: float = 100.0
    """Samples per second."""
    duration: float | None = None
    """Seconds; None: until stopped."""
    nonblocking: bool = False
    recording: bool = True
    """Keep a copy on disk of what is seen."""
    subprocesses: bool = False
    """Also the processes that it has started, or starts while it is sampled."""
    source_lines: bool = True
    """Send lines of source along: the explorer shows them, and whatever is saved holds them."""

    def __post_init__(self) -> None:
        _check_number("--rate", self.rate, MIN_RATE, MAX_RATE, "samples per second")
        if self.duration is not None:
            if isinstance(self.duration, (int, float)) and self.duration <= 0:
                raise UsageError(f"--duration {self.duration:g} is out of range", "it must be above 0 seconds")
            _check_number("--duration", self.duration, 0, MAX_DURATION, "seconds")


@dataclass(frozen=True, slots=True)
class ContentOptions(_FromMapping):
    """What of a profile is written, and how a frame is written."""

    gil: bool = False
    idle: bool = False
    threads: bool = False
    function: bool = False
    nolineno: bool = False
    full_filenames: bool = False
    merge_processes: bool = False


@dataclass(frozen=True, slots=True)
class DumpOptions(_FromMapping):
    """How stacks are dumped; raises :class:`UsageError` naming the option that is wrong."""

    json: bool = False
    locals: int = 0
    """How often it was given: 0 for no variables."""
    gil: bool = False
    idle: bool = False
    subprocesses: bool = False
    function: bool = False
    nolineno: bool = False
    source: bool = False
    full_filenames: bool = False
    nonblocking: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.locals, bool) or not isinstance(self.locals, int) or self.locals < 0:
            raise UsageError(f"--locals takes how often it is meant, not {self.locals!r}", "0, 1, 2, ...")

    @property
    def max_chars(self) -> int | None:
        """Longest repr of a variable: :data:`LOCALS_CHARS`, four times as many for each further --locals."""
        return LOCALS_CHARS * 4 ** (min(self.locals, MAX_LOCALS) - 1) if self.locals else None

    @property
    def lines(self) -> LineMode:
        if self.nolineno:
            return LineMode.NONE
        return LineMode.FIRST if self.function else LineMode.CURRENT


def _check_number(option: str, value: object, low: float, high: float, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UsageError(f"{option} takes a number, not {value!r}")
    if not low <= value <= high:
        raise UsageError(f"{option} {value:g} is out of range", f"it takes {low:g} to {high:g} {unit}")
