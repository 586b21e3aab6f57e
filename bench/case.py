"""What is measured: a case is measured in one go and gives rows; a row is one figure of one contestant."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nbspy.errors import NbspyError


class NotMeasured(Exception):
    """A contestant failed, refused, or did what makes its figure meaningless; the text says why in one line."""


FAILURES = (NotMeasured, NbspyError, OSError, subprocess.SubprocessError)
"""What ends one contestant's part of a case and nothing else."""


def number(value: float) -> str:
    """Return ``value`` with three digits that count, and none of them in an exponent."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value:,.{digits}f}"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one contestant, once for each turn."""

    figure: str
    who: str
    unit: str
    values: tuple[float, ...] = ()
    """One for each turn; empty where it could not be measured."""
    against: str = ""
    """The contestant that the ratio is to; "" for none."""
    trials: int | None = None
    """How many stacks or the like the figure stands on, where a bound needs many."""
    note: str = ""
    """Why there is no value, or what to know about it."""
    interval: tuple[float, float] | None = None
    """Between which two values it lies with 95 % certainty, by all turns together; None where that is not known."""

    @property
    def value(self) -> float | None:
        """The median."""
        return statistics.median(self.values) if self.values else None

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval, or where there is none the range of the turns."""
        return self.interval or (min(self.values, default=0.0), max(self.values, default=0.0))

    @property
    def spread(self) -> str:
        """The same in words; "" of one turn without an interval."""
        if self.interval is None and len(self.values) < 2:
            return ""
        return f"{number(self.bounds[0])} to {number(self.bounds[1])}{' (95 %)' if self.interval else ''}"


Keep = Callable[[list[Row]], object]
"""Is given what a case has measured so far, each time there is more."""


def keep_nothing(_rows: list[Row]) -> None:
    """Who measures for others than the command takes the rows when all are there."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How thoroughly to measure."""

    repeat: int = 3
    quick: bool = False
    """One short turn, and of each group only the cases that matter most."""
    only: tuple[str, ...] = ()
    """Words of contestants' names; empty for all contestants."""
    keep: Keep = keep_nothing
    """What a killed run has measured is not lost: rows are told as they come."""

    @property
    def seconds(self) -> int:
        """Length of an ordinary recording. Whole: two peers know no others."""
        return 2 if self.quick else 4

    def wants(self, who: str) -> bool:
        return not self.only or any(word in who for word in self.only)


@dataclass(frozen=True, slots=True)
class Case:
    """Something to measure in one go."""

    name: str
    """``group: what``; what filters look at."""
    seconds: float
    """About how long it takes in all, for the estimate beforehand."""
    measure: Callable[[], list[Row]]


@dataclass(slots=True)
class Tally:
    """Gathers the values of a case's rows, in the order in which they first come, and has them kept as they come."""

    _keep: Keep = keep_nothing
    _values: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    _trials: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _notes: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _against: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _intervals: dict[tuple[str, str, str], tuple[float, float]] = field(default_factory=dict)

    def add(
        self,
        figure: str,
        who: str,
        unit: str,
        value: float,
        *,
        against: str = "",
        trials: int | None = None,
        note: str = "",
        interval: tuple[float, float] | None = None,
    ) -> None:
        key = (figure, who, unit)
        self._values.setdefault(key, []).append(value)
        self._against[key] = against
        if trials is not None:
            self._trials[key] = trials
        if note:
            self._notes[key] = note
        if interval is not None:
            self._intervals[key] = interval
        self._keep(self.rows())

    def fail(self, figure: str, who: str, unit: str, why: str) -> None:
        """Say why ``who`` has no (further) values of ``figure``."""
        key = (figure, who, unit)
        self._values.setdefault(key, [])
        self._notes[key] = why
        self._keep(self.rows())

    def rows(self) -> list[Row]:
        """Return the rows, those of a figure together."""
        rows = [
            Row(
                *key,
                tuple(values),
                self._against.get(key, ""),
                self._trials.get(key),
                self._notes.get(key, ""),
                self._intervals.get(key),
            )
            for key, values in self._values.items()
        ]
        figures = list(dict.fromkeys(row.figure for row in rows))
        return sorted(rows, key=lambda row: figures.index(row.figure))


def take_turns(
    names: Sequence[str], repeat: int, measure: Callable[[str], None], failed: Callable[[str, str], None]
) -> None:
    """Call ``measure(name)`` for each of ``names``, ``repeat`` times, each turn beginning with another.

    A name whose measurement fails (:data:`FAILURES`) is told to ``failed`` with the reason, and left out from then on.
    """
    out: set[str] = set()
    for turn in range(repeat):
        shift = turn % max(len(names), 1)
        for name in [*names[shift:], *names[:shift]]:
            if name in out:
                continue
            try:
                measure(name)
            except FAILURES as err:
                out.add(name)
                failed(name, " ".join(str(err).split())[:300] or type(err).__name__)
