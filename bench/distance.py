"""How far the non-blocking profile is from the blocking one: total-variation distance of the shares of leaf lines.

0 % where both say the same, 100 % where they have nothing in common. Two blocking profiles differ too, by chance: that
is the floor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.case import Case, Row, Settings, Tally, take_turns
from bench.peers import Nbspy
from bench.programs import target
from bench.pythons import target_python
from bench.recording import record

RATE_HZ: Final = 5000
TARGETS: Final = (
    ("an ordinary target", "ordinary.py", ()),
    ("calls without end", "churn.py", ("calls",)),
    ("generators", "churn.py", ("generators",)),
    ("coroutines under asyncio", "churn.py", ("asyncio",)),
)
_STARTING_S: Final = 0.9
_FLOOR: Final = "nbspy"
_NONBLOCKING: Final = "nbspy --nonblocking"

Shares = Mapping[tuple[str, int], float]


def cases(settings: Settings) -> Iterator[Case]:
    for what, script, arguments in TARGETS[:1] if settings.quick else TARGETS:
        yield Case(
            f"distance: {what}",
            3 * settings.repeat * (settings.seconds + _STARTING_S),
            partial(_measure, what, script, arguments, settings),
        )


def distance(one: Shares, other: Shares) -> float:
    """Return the total-variation distance of two distributions, 0 to 1."""
    return sum(abs(one.get(key, 0.0) - other.get(key, 0.0)) for key in one.keys() | other.keys()) / 2


def _measure(what: str, script: str, arguments: tuple[str, ...], settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    figure = f"distance from the blocking profile: {what}"

    def measure(_: str) -> None:
        with target(script, *arguments, python=target_python()) as program:
            first = _shares(program.pid, Nbspy("nbspy", True), settings.seconds)
            other = _shares(program.pid, Nbspy("nbspy --nonblocking", False), settings.seconds)
            again = _shares(program.pid, Nbspy("nbspy", True), settings.seconds)
        tally.add(figure, _FLOOR, "%", 100 * distance(first, again), note="another blocking profile: the floor")
        tally.add(figure, _NONBLOCKING, "%", 100 * distance(first, other))

    take_turns(["nbspy"], settings.repeat, measure, lambda _, why: tally.fail(figure, _NONBLOCKING, "%", why))
    return tally.rows()


def _shares(pid: int, one: Nbspy, seconds: int) -> Shares:
    counts: Counter[tuple[str, int]] = Counter()
    with TemporaryDirectory() as folder:
        record(one, pid, rate=RATE_HZ, seconds=seconds, folder=Path(folder))
        for frames, count in one.stacks(Path(folder)):
            counts[frames[-1]] += count
    total = counts.total()
    return {leaf: count / total for leaf, count in counts.items()}
