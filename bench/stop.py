"""How long a blocking sample keeps the target standing: by nbspy's own clock, and as the target feels it; how often.

nbspy stops a thread only for a stack that it has not seen, so how long a stop takes is measured on a target that is
somewhere else all the time (``wander.py``). It reads the clock in a loop and keeps its longest gaps; as many of them as
samples were taken are the stops, give or take what the system's own interruptions are. How often a thread is stopped is
measured on that target, on one that does a program's usual things, and on a tight loop.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.case import Case, NotMeasured, Row, Settings, Tally, take_turns
from bench.cpu import chosen
from bench.peers import Contestant, counterpart, python_for
from bench.programs import target
from bench.recording import Recording, record
from bench.windows import Pair, read_pairs

RATES: Final = ((1000, "1 kHz"), (100, "100 Hz"))
TARGETS: Final = (("a tight loop", "depth.py", (10,)), ("an ordinary target", "ordinary.py", ()))
_STARTING_S: Final = 0.9


def cases(settings: Settings) -> Iterator[Case]:
    blocking = [one for one in chosen(settings) if one.blocking]
    for rate, words in RATES[:1] if settings.quick else RATES:
        seconds = len(blocking) * settings.repeat * (settings.seconds + _STARTING_S)
        yield Case(
            f"stop: at {words}",
            seconds,
            partial(_measure, rate, words, blocking, settings),
        )
    own = [one for one in blocking if one.name == "nbspy"]
    for what, script, arguments in TARGETS[1:] if settings.quick and own else TARGETS if own else ():
        seconds = settings.repeat * (settings.seconds + _STARTING_S)
        yield Case(f"stop: how often, {what}", seconds, partial(_count, what, script, arguments, own[0], settings))


def _share(tally: Tally, what: str, name: str, seen: Recording) -> None:
    if seen.sampled.stops is not None:
        share = 100 * seen.sampled.stops / max(seen.sampled.samples, 1)
        tally.add(f"samples that stop a thread at 1 kHz: {what}", name, "%", share)


def _count(what: str, script: str, arguments: Sequence[object], one: Contestant, settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    for _ in range(settings.repeat):
        with target(script, *arguments, python=python_for(one)) as program:
            _share(tally, what, one.name, record(one, program.pid, rate=RATES[0][0], seconds=settings.seconds))
    return tally.rows()


def _measure(rate: int, words: str, who: Sequence[Contestant], settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    by_name = {one.name: one for one in who}
    felt = f"interruption felt by the target at {words}"

    def measure(name: str) -> None:
        one = by_name[name]
        with TemporaryDirectory() as folder:
            file = Path(folder, "gaps")
            with target("wander.py", file, python=python_for(one)) as program:
                seen = record(one, program.pid, rate=rate, seconds=settings.seconds)
            gaps = read_pairs(file)
        if seen.sampled.stop_us is not None:
            tally.add(f"time stopped at {words}, median", name, "us", seen.sampled.stop_us[0])
            tally.add(f"time stopped at {words}, p99", name, "us", seen.sampled.stop_us[1])
        if rate == RATES[0][0]:
            _share(tally, "a stack that is new each time", name, seen)
        median, p99 = _felt(seen, gaps)
        tally.add(f"{felt}, median", name, "us", median, against=counterpart(one))
        tally.add(f"{felt}, p99", name, "us", p99, against=counterpart(one))

    take_turns(
        list(by_name), settings.repeat, measure, lambda name, why: tally.fail(f"{felt}, median", name, "us", why)
    )
    return tally.rows()


def _felt(seen: Recording, gaps: Sequence[Pair]) -> tuple[float, float]:
    """Return median and p99, in us, of as many of the longest gaps as samples were taken in that time."""
    window = seen.window()
    inside = [length for begin, length in gaps if window.begin_ns <= begin < window.end_ns]
    count = round(window.samples)
    longest = sorted(inside)[-count:]
    if len(longest) < max(count * 0.9, 10):
        raise NotMeasured(f"the target felt {len(longest)} gaps in {count} samples")
    return statistics.median(longest) / 1e3, longest[int(len(longest) * 0.99)] / 1e3
