"""How fast a contestant can sample one busy thread: what it takes of 20 kHz, the highest rate it holds, who is late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.case import FAILURES, Case, Row, Settings, Tally, take_turns
from bench.cpu import chosen
from bench.peers import Contestant, counterpart, python_for
from bench.programs import target
from bench.recording import Recording, record

ASKED_HZ: Final = 20_000
LADDER_HZ: Final = (1000, 2000, 5000, 10_000, 20_000, 50_000)
HELD: Final = 0.95
"""A rate is held when this share of its samples is taken."""
FRAMES: Final = 20
QUICK: Final = ("nbspy --nonblocking", "profiling.sampling")
_STARTING_S: Final = 0.9


def cases(settings: Settings) -> Iterator[Case]:
    who = chosen(settings)
    if settings.quick:
        who = [one for one in who if one.name in QUICK]
    each = len(who) * (settings.seconds + _STARTING_S)
    yield Case("rate: share of 20 kHz", each * settings.repeat, lambda: _share(who, settings))
    if not settings.quick:
        yield Case("rate: late at 1 kHz", each * settings.repeat, lambda: _late(who, settings))
        yield Case("rate: highest held", each * len(LADDER_HZ) / 2, lambda: _ladder(who, settings))


def _record(one: Contestant, rate: float, settings: Settings) -> Recording:
    with target("depth.py", FRAMES, 1, 1, python=python_for(one)) as program:
        return record(one, program.pid, rate=rate, seconds=settings.seconds)


def taken(seen: Recording, rate: float) -> float:
    """Return which share of the samples that were due was taken."""
    return seen.sampled.samples / (rate * seen.sampled.seconds)


def _share(who: Sequence[Contestant], settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    by_name = {one.name: one for one in who}
    figure = "share of 20 kHz taken, 1 thread"

    def measure(name: str) -> None:
        one = by_name[name]
        seen = _record(one, ASKED_HZ, settings)
        tally.add(figure, name, "%", 100 * taken(seen, ASKED_HZ), against=counterpart(one))
        window = seen.window()
        per_core = 1e6 / window.per_sample_us(window.cpu_ns)
        tally.add("rate that a whole core would do, 1 thread", name, "Hz", per_core, against=counterpart(one))
        busy = 100 * window.cpu_ns / (window.end_ns - window.begin_ns)
        tally.add("CPU while 20 kHz is asked for", name, "% of a core", busy, against=counterpart(one))

    take_turns(list(by_name), settings.repeat, measure, lambda name, why: tally.fail(figure, name, "%", why))
    return tally.rows()


def _late(who: Sequence[Contestant], settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    by_name = {one.name: one for one in who}
    figure = "samples not taken at 1 kHz"

    def measure(name: str) -> None:
        seen = _record(by_name[name], 1000, settings)
        tally.add(figure, name, "%", max(0.0, 100 * (1 - taken(seen, 1000))))
        if seen.sampled.late is not None:
            share = 100 * seen.sampled.late / max(seen.sampled.samples, 1)
            tally.add("samples late by over half an interval at 1 kHz", name, "%", share)

    take_turns(list(by_name), settings.repeat, measure, lambda name, why: tally.fail(figure, name, "%", why))
    return tally.rows()


def _ladder(who: Sequence[Contestant], settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    figure = "highest rate held (19 of 20 samples)"
    for one in who:
        held = 0
        why = ""
        for rate in LADDER_HZ:
            try:
                share = taken(_record(one, rate, settings), rate)
            except FAILURES as err:
                why = f"{rate} Hz: {err}"
                break
            if share < HELD:
                why = f"of {rate:,} Hz: {100 * share:.0f} %"
                break
            held = rate
        tally.add(figure, one.name, "Hz", held, against=counterpart(one), note=why)
    return tally.rows()
