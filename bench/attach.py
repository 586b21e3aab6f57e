"""From the request to the first sample (nbspy says so itself), and what commands take beyond their duration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.case import Case, Row, Settings, Tally, take_turns
from bench.cpu import chosen
from bench.peers import Contestant, counterpart, python_for
from bench.programs import target
from bench.recording import record

FRAMES: Final = 20
SECONDS: Final = 2
_STARTING_S: Final = 0.9
_TURNS: Final = 3
"""Starting varies more than sampling does."""


def cases(settings: Settings) -> Iterator[Case]:
    who = [one for one in chosen(settings) if not settings.quick or one.name.startswith("nbspy")]
    turns = settings.repeat if settings.quick else settings.repeat * _TURNS
    yield Case(
        "attach: start and end", len(who) * turns * (SECONDS + _STARTING_S), lambda: _measure(who, turns, settings)
    )


def _measure(who: Sequence[Contestant], turns: int, settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    by_name = {one.name: one for one in who}
    beyond = "starting and ending of a recording command"

    def measure(name: str) -> None:
        one = by_name[name]
        with target("depth.py", FRAMES, 1, 1, python=python_for(one)) as program:
            seen = record(one, program.pid, rate=100, seconds=SECONDS)
        if seen.sampled.attach_ms is not None:
            tally.add("attach to first sample", name, "ms", seen.sampled.attach_ms)
        tally.add(beyond, name, "ms", seen.beyond_ms, against=counterpart(one))
        tally.add("peak memory of its largest process", name, "MB", seen.peak_mb, against=counterpart(one))

    take_turns(list(by_name), turns, measure, lambda name, why: tally.fail(beyond, name, "ms", why))
    return tally.rows()
