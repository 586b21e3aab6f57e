"""Whether profiles have the right shares: how far they are from what py-spy sees, which stops its target each time.

py-spy and nbspy share neither code nor a way to stop threads. So where the two agree as well as py-spy does with
itself, in another recording of the same target, both are right. As in :mod:`bench.distance` it is the total-variation
distance of the shares of leaf lines; the targets do the same all the time. A profiler that looks at a
thread that runs sees best what lasts: what is over within some microseconds has others' samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.case import Case, NotMeasured, Row, Settings, Tally, take_turns
from bench.cpu import chosen
from bench.distance import TARGETS, Shares, distance
from bench.peers import Contestant, contestants
from bench.programs import target
from bench.pythons import target_python
from bench.recording import record

RATE_HZ: Final = 1000
"""py-spy does not hold more."""
LENGTHS: Final = 2
"""How many times as long as others each recording is: chance alone makes the floor 4 % with ten thousand samples."""
WITNESS: Final = "py-spy"
_STARTING_S: Final = 0.9


def cases(settings: Settings) -> Iterator[Case]:
    # Austin reads no target of the version that the others do.
    who = [one for one in chosen(settings) if one.newest in (None, (3, 15)) and one.name != WITNESS]
    for what, script, arguments in TARGETS[:0] if settings.quick else TARGETS:
        yield Case(
            f"agreement: {what}",
            settings.repeat * (len(who) + 2) * (settings.seconds * LENGTHS + _STARTING_S),
            partial(_measure, what, script, arguments, who, settings),
        )


def _measure(
    what: str, script: str, arguments: Sequence[str], who: Sequence[Contestant], settings: Settings
) -> list[Row]:
    witness = next((one for one in contestants()[0] if one.name == WITNESS), None)
    if witness is None:
        raise NotMeasured("py-spy is not here to compare with")
    tally = Tally(settings.keep)
    figure = f"distance from what py-spy sees: {what}"
    by_name = {one.name: one for one in (witness, *who)}

    def measure(name: str) -> None:
        seconds = settings.seconds * LENGTHS
        with target(script, *arguments, python=target_python()) as program:
            seen = _shares(witness, program.pid, seconds)
            other = _shares(by_name[name], program.pid, seconds)
        note = "another recording of its own: the floor" if name == WITNESS else ""
        tally.add(figure, name, "%", 100 * distance(seen, other), note=note)

    take_turns(list(by_name), settings.repeat, measure, lambda name, why: tally.fail(figure, name, "%", why))
    return tally.rows()


def _shares(one: Contestant, pid: int, seconds: int) -> Shares:
    counts: Counter[tuple[str, int]] = Counter()
    with TemporaryDirectory() as folder:
        record(one, pid, rate=RATE_HZ, seconds=seconds, folder=Path(folder))
        for frames, count in one.stacks(Path(folder)):
            function, line = frames[-1]
            # py-spy says the name of a function only, others where it was defined, too.
            counts[function.rpartition(".")[2], line] += count
    total = counts.total()
    return {leaf: count / total for leaf, count in counts.items()}
