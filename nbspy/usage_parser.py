"""The parser behind the shell's commands and the magics' lines: it refuses in one line, and never exits."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Never

from nbspy.errors import UsageError


class UsageParser(argparse.ArgumentParser):
    """Raises :class:`UsageError`, also where :mod:`argparse` would end the process.

    Of a misspelt option argparse says nothing as long as something that is required is missing: perhaps what it was
    meant to be. Here it is named first.
    """

    _words: Sequence[str] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See :meth:`argparse.ArgumentParser.parse_known_args`."""
        self._words = args
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> Never:
        unknown = [] if self._words is None else self._unknown(self._words)
        if unknown:
            message = f"unrecognized arguments: {' '.join(unknown)}"
        self.refuse(message)

    def refuse(self, message: str) -> Never:
        """Raise the error that says ``message``."""
        raise UsageError(message, f"see {self.prog} --help")

    def _unknown(self, words: Sequence[str]) -> list[str]:
        """Return the options that there are not; none where ``words`` cannot be parsed for another reason."""
        self._words = None
        required = [action for action in self._actions if action.required]
        for action in required:
            action.required = False
        try:
            return [word for word in super().parse_known_args(words)[1] if word.startswith("-")]
        except UsageError:
            return []
        finally:
            for action in required:
                action.required = True
