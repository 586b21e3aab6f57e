"""Completion of the magics' arguments: pids with their command lines, options with their meaning."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from nbspy.options import Option

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

MAX_COMMAND_LINE: Final = 90


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that may stand here, and what it means: shown beside it in the list of completions."""

    text: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the line of one magic takes."""

    options: Sequence[Option] = ()
    words: Callable[[], Iterable[Candidate]] | None = None
    """The candidates for its positional argument; None where it takes none."""


class MagicCompletion:
    """A matcher for ``ip.Completer`` that answers on the lines of our magics only."""

    def __init__(self, magics: Mapping[str, Arguments]) -> None:
        self._magics = magics
        self._line = re.compile(r"\s*%%?(" + "|".join(map(re.escape, magics)) + r")\s+(.*)", re.DOTALL)
        self._matcher = self._make_matcher()

    def install(self, shell: InteractiveShell) -> None:
        if shell.Completer is not None:
            shell.Completer.custom_matchers.append(self._matcher)

    def uninstall(self, shell: InteractiveShell) -> None:
        if shell.Completer is not None and self._matcher in shell.Completer.custom_matchers:
            shell.Completer.custom_matchers.remove(self._matcher)

    def candidates(self, text_until_cursor: str) -> tuple[str, list[Candidate]] | None:
        """Return the word at the cursor and what it may become; None on lines that are not ours."""
        match = self._line.match(text_until_cursor)
        if match is None:
            return None
        arguments, rest = self._magics[match[1]], match[2]
        word = "" if rest[-1:].isspace() else rest.split()[-1] if rest else ""
        if word.startswith("-"):
            found = [Candidate(flag, option.help) for option in arguments.options for flag in option.flags[::-1]]
        elif arguments.words is not None and not self._positional_given(arguments, rest.removesuffix(word)):
            found = list(arguments.words())
        else:
            found = []
        return word, [candidate for candidate in found if candidate.text.startswith(word)]

    def _positional_given(self, arguments: Arguments, before: str) -> bool:
        """Whether a word before the cursor is neither an option nor an option's value."""
        takes_value = {flag for option in arguments.options if not option.is_switch for flag in option.flags}
        words = before.split()
        return any(
            not word.startswith("-") and (i == 0 or words[i - 1] not in takes_value) for i, word in enumerate(words)
        )

    def _make_matcher(self) -> Callable[[CompletionContext], SimpleMatcherResult]:
        @context_matcher(identifier="nbspy.magics")  # type: ignore[untyped-decorator]  # IPython does not annotate it
        def matcher(context: CompletionContext) -> SimpleMatcherResult:
            answer = self.candidates(context.text_until_cursor)
            if answer is None:
                return {"completions": []}
            word, found = answer
            return {
                "completions": [SimpleCompletion(text=c.text, type=c.meaning[:MAX_COMMAND_LINE]) for c in found],
                "matched_fragment": word,
                "suppress": True,
                "ordered": True,
            }

        annotated: Callable[[CompletionContext], SimpleMatcherResult] = matcher
        return annotated
