"""CPU time of a sample: user and system, of all processes of the profiler, at 1 kHz.

Starting and ending do not count (:mod:`bench.recording`). Depth and number of threads are varied, with one thread busy
and all of them; then threads that call all the time, generators, and coroutines under asyncio.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.case import Case, Row, Settings, Tally, take_turns
from bench.peers import Contestant, contestants, counterpart, python_for
from bench.programs import target
from bench.recording import record

RATE_HZ: Final = 1000.0
FAST_HZ: Final = 20_000.0
DEPTHS: Final = (10, 50, 200, 1000)
THREADS: Final = (16, 150)
_STARTING_S: Final = 0.9


@dataclass(frozen=True, slots=True)
class Load:
    """What the target does."""

    what: str
    script: str
    arguments: tuple[object, ...]
    threads: int = 1
    quick: bool = False
    rate_hz: float = RATE_HZ

    @property
    def figure(self) -> str:
        return f"CPU per sample: {self.what}"


def loads() -> Iterator[Load]:
    for frames in DEPTHS:
        yield Load(f"{frames} frames, 1 thread", "depth.py", (frames, 1, 1), quick=True)
    for frames in DEPTHS:
        for threads in THREADS:
            one = f"{frames} frames, {threads} threads, 1 busy"
            yield Load(one, "depth.py", (frames, threads, 1), threads, quick=(frames, threads) == (50, 150))
            yield Load(f"{frames} frames, {threads} threads, all busy", "depth.py", (frames, threads, threads), threads)
    yield Load("calls without end", "churn.py", ("calls",))
    yield Load("generators", "churn.py", ("generators",))
    yield Load("coroutines under asyncio", "churn.py", ("asyncio",))
    yield Load("50 frames, 1 thread, 20 kHz asked", "depth.py", (50, 1, 1), rate_hz=FAST_HZ)


def cases(settings: Settings) -> Iterator[Case]:
    who = chosen(settings)
    for load in loads():
        if load.quick or not settings.quick:
            seconds = len(who) * settings.repeat * (settings.seconds + _STARTING_S)
            yield Case(f"cpu: {load.what}", seconds, partial(_measure, load, who, settings))


def chosen(settings: Settings) -> list[Contestant]:
    """Return the contestants that are wanted; in a quick run only those that goals are set against."""
    found, _ = contestants()
    return [one for one in found if settings.wants(one.name) and not (settings.quick and one.name == "austin")]


def _measure(load: Load, who: Sequence[Contestant], settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    by_name = {one.name: one for one in who}

    def measure(name: str) -> None:
        one = by_name[name]
        with target(load.script, *load.arguments, python=python_for(one)) as program:
            seen = record(one, program.pid, rate=load.rate_hz, seconds=settings.seconds, threads=load.threads).window()
        tally.add(load.figure, name, "us", seen.per_sample_us(seen.cpu_ns), against=counterpart(one))
        if seen.children_cpu_ns:
            alone = seen.per_sample_us(seen.children_cpu_ns)
            tally.add(load.figure, f"{name}: its sampler process", "us", alone, against=name)

    take_turns(list(by_name), settings.repeat, measure, lambda name, why: tally.fail(load.figure, name, "us", why))
    return tally.rows()
