"""Which stacks of a target there can be: the calling line determines the callee."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bench.peers import Frames

DEEPEST: Final = 6
"""Frames of the functions that call each other (``down_...``)."""


@dataclass(frozen=True, slots=True)
class Judge:
    """What a target announces of itself."""

    callees: Mapping[str, str]
    """"function:line" -> the one function that is called there; "" for one that is none of the target's."""
    lines: Mapping[str, list[int]]
    """Each function's lines; the first is that of its def."""
    roots: frozenset[str]
    """Functions that are called by others than the target's own."""
    always: bool
    """True where a thread is always in a function of the target's own."""

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Judge:
        roots = frozenset(info["roots"])
        return cls(info["callees"], info["functions"], roots, always=len(roots) == 1)

    def flaw(self, frames: Frames) -> str:
        """Return what is impossible about a stack, root first; "" where nothing is."""
        own = [name for name, _ in frames if name in self.lines]
        if not own:
            return "no function of the target" if self.always else ""
        if sum(name.startswith("down_") for name in own) > DEEPEST:
            return "deeper than it calls"
        if own[0] not in self.roots:
            return f"begins with {own[0]}"
        for (caller, line), (callee, _) in itertools.pairwise(frames):
            flaw = self._flaw_of_call(caller, line, callee)
            if flaw:
                return flaw
        leaf, line = frames[-1]
        if leaf in self.lines and line and line not in self.lines[leaf]:
            return f"line {line} is none of {leaf}"
        return ""

    def _flaw_of_call(self, caller: str, line: int, callee: str) -> str:
        if caller not in self.lines:
            return f"{caller} does not call {callee}" if callee in self.lines and callee not in self.roots else ""
        expected = self.callees.get(f"{caller}:{line}")
        if expected is None:
            return f"line {line} of {caller} calls nothing"
        if expected != (callee if callee in self.lines else ""):
            return f"line {line} of {caller} does not call {callee}"
        return ""


@dataclass(slots=True)
class Findings:
    """What was found about many stacks."""

    stacks: int = 0
    flaws: Counter[str] = field(default_factory=Counter)

    def judge(self, judge: Judge, stacks: Iterable[tuple[Frames, int]]) -> None:
        for frames, count in stacks:
            self.stacks += count
            flaw = judge.flaw(frames)
            if flaw:
                self.flaws[flaw] += count

    @property
    def impossible(self) -> int:
        return self.flaws.total()

    @property
    def per_million(self) -> float:
        return 1e6 * self.impossible / self.stacks if self.stacks else 0.0
