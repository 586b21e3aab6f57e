"""How far the non-blocking profile is from the blocking one: total-variation distance of the shares of leaf lines.

0 % where both say the same, 100 % where they have nothing in common. Two blocking profiles differ too, by chance: that
is the floor. What a target does in a second depends on how fast the host is in it; so three recordings, two of them
blocking, take turns of 30 ms for as long as it takes, in an order left to chance: two of them are halted while one
samples (:mod:`bench.halting`). All have as many samples, and have seen the same; the figure is the mean of the
distances from both blocking ones.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from bench.case import Case, Row, Settings, Tally, take_turns
from bench.halting import Haltable, haltable
from bench.peers import Nbspy
from bench.programs import target
from bench.pythons import target_python

RATE_HZ: Final = 5000
TARGETS: Final = (
    ("an ordinary target", "ordinary.py", ()),
    ("calls without end", "churn.py", ("calls",)),
    ("generators", "churn.py", ("generators",)),
    ("coroutines under asyncio", "churn.py", ("asyncio",)),
)
PIECE_S: Final = 0.03
"""A target that is held up in some line, by the host for one, is seen there by all three if that lasts for long."""
_ATTACH_S: Final = 0.3
"""What it samples of that is not in turns; who takes longer attaches in its turns."""
LENGTHS: Final = 5
"""How many times as long as an ordinary recording each of the three is: at 5 kHz chance alone makes the floor of a
profile of thirty lines 2 % with 4 s and 1 % with 20."""
_STARTING_S: Final = 3.0
_SPARE_S: Final = 600
"""More than it takes, so that a recording ends when it is told to."""
_FLOOR: Final = "nbspy"
_NONBLOCKING: Final = "nbspy --nonblocking"

Shares = Mapping[tuple[str, int], float]


def cases(settings: Settings) -> Iterator[Case]:
    for what, script, arguments in TARGETS[:1] if settings.quick else TARGETS:
        yield Case(
            f"distance: {what}",
            settings.repeat * (3 * _seconds(settings) + _STARTING_S),
            partial(_measure, what, script, arguments, settings),
        )


def distance(one: Shares, other: Shares) -> float:
    """Return the total-variation distance of two distributions, 0 to 1."""
    return sum(abs(one.get(key, 0.0) - other.get(key, 0.0)) for key in one.keys() | other.keys()) / 2


def _seconds(settings: Settings) -> int:
    return settings.seconds * (1 if settings.quick else LENGTHS)


def _measure(what: str, script: str, arguments: tuple[str, ...], settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    figure = f"distance from the blocking profile: {what}"

    def measure(_: str) -> None:
        first, again, other = in_turns(script, arguments, _seconds(settings))
        tally.add(figure, _FLOOR, "%", 100 * distance(first, again), note="another blocking profile: the floor")
        far = (distance(first, other) + distance(again, other)) / 2
        tally.add(figure, _NONBLOCKING, "%", 100 * far)

    take_turns(["nbspy"], settings.repeat, measure, lambda _, why: tally.fail(figure, _NONBLOCKING, "%", why))
    return tally.rows()


def in_turns(script: str, arguments: Sequence[str], seconds: float) -> list[Shares]:
    """Return two blocking profiles and a non-blocking one of the same run, each of so many seconds of its own."""
    recorders = [Nbspy(_FLOOR, True), Nbspy(_FLOOR, True), Nbspy(_NONBLOCKING, False)]
    with TemporaryDirectory() as scratch:
        folders = [Path(scratch, str(number)) for number in range(len(recorders))]
        with target(script, *arguments, python=target_python()) as program, ExitStack() as stack:
            running = []
            length = round(len(recorders) * seconds) + _SPARE_S
            for recorder, folder in zip(recorders, folders, strict=True):
                folder.mkdir()
                command = recorder.command(program.pid, RATE_HZ, length, folder)
                started = stack.enter_context(haltable(command, program.pid, 2, _ATTACH_S))
                # Two that would stop one thread at the same time are in each other's way.
                started.halt()
                running.append(started)
            rotate(running, round(seconds / PIECE_S), Random())
        return [_shares(recorder, folder) for recorder, folder in zip(recorders, folders, strict=True)]


def rotate(running: Sequence[Haltable], rounds: int, random: Random) -> None:
    """Let each of ``running``, which are halted, sample once in each of ``rounds``, one at a time."""
    for _ in range(rounds):
        for one in random.sample(running, k=len(running)):
            one.let_on()
            time.sleep(PIECE_S)
            one.halt()


def _shares(one: Nbspy, folder: Path) -> Shares:
    counts: Counter[tuple[str, int]] = Counter()
    for frames, count in one.stacks(folder):
        counts[frames[-1]] += count
    total = counts.total()
    return {leaf: count / total for leaf, count in counts.items()}
