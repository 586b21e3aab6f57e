"""What a magic's line may say: the shared options of :mod:`nbspy.options` behind a parser that never exits."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Never

from nbspy.errors import UsageError
from nbspy.options import PID, Option, add_to_parser, parse_pid
from nbspy.usage_parser import UsageParser


class HelpShown(Exception):
    """``--help`` was given, and the help is printed: there is nothing else to do."""


class _Help(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        print(parser.format_help().rstrip())
        raise HelpShown


class _Parser(UsageParser):
    def refuse(self, message: str) -> Never:
        raise UsageError(f"{self.prog}: {message}", f"{self.prog} --help shows what it takes")


def _pid(text: str) -> int:
    try:
        return parse_pid(text)
    except UsageError as err:
        raise argparse.ArgumentTypeError(str(err)) from err


def make_parser(
    prog: str,
    description: str,
    options: Sequence[Option],
    *,
    with_pid: bool,
    defaults: Mapping[str, object] | None = None,
) -> argparse.ArgumentParser:
    """Return a parser of a magic's line; ``defaults`` replace those of the options of the same name."""
    parser = _Parser(
        prog=prog,
        description=description,
        add_help=False,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-h", "--help", action=_Help, nargs=0, help="show this help")
    if with_pid:
        parser.add_argument("pid", type=_pid, metavar="PID", help=PID.help)
    add_to_parser(parser, options)
    parser.set_defaults(**(defaults or {}))
    return parser


def parse(parser: argparse.ArgumentParser, line: str) -> argparse.Namespace:
    """Return the values of ``line``; raises :class:`UsageError` naming what is wrong, or :class:`HelpShown`."""
    try:
        words = shlex.split(line)
    except ValueError as err:
        raise UsageError(f"{parser.prog}: {err}", "check the quotes") from err
    return parser.parse_args(words)


def asks_for_help(line: str) -> bool:
    """Whether ``line`` has ``--help`` among its words."""
    return not {"-h", "--help"}.isdisjoint(line.split())
