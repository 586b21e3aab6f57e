"""How much slower the target runs while it is sampled: it counts its own work, in windows of 2 ms.

nbspy is halted in every second phase of a tenth of a second, and the two kinds of phases are compared
(:mod:`bench.phases`): what it takes of the target is less than what the speed of a shared machine changes by from one
second to the next. That the figure is not noise is shown beside it: "no profiler" is a process that does nothing and
is halted and let on like it, and has to come out as 0 within its interval.

Peers are not halted: three of them make up for what they missed. Windows in which one certainly sampled are compared,
by the medians of the speeds of each 50 ms, with those before and after in which none ran, of the same run of the same
target. Time in which other programs had the target's processor is left out there; what nbspy's processes take by that
counts.

"Time stopped" is the share of the time that nbspy itself says it kept the target's thread standing: from when it asked
it to stop, which it does some 10 us later, to when it let it go. What that leaves out: the time until the thread runs
again, caches that are cold then, and what copies, which do not stop it, and the sampler on the core's other half take.
Learning, in which most samples stop, is part of it, and makes more of it than of a longer session.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from bench.case import Case, NotMeasured, Row, Settings, Tally, take_turns
from bench.cpu import chosen
from bench.halting import alternate, haltable
from bench.peers import Contestant, Nbspy, Sampled, python_for
from bench.phases import Block, Phase, blocks_of, effect, interval, orders
from bench.programs import target
from bench.pythons import target_python
from bench.recording import record
from bench.windows import read_windows, slowdown, speeds

RATES: Final = ((100, "100 Hz"), (1000, "1 kHz"))
THREADS: Final = ((1, "alone"), (150, "with 149 sleeping threads"))
FRAMES: Final = 20
QUICK: Final = ("nbspy", "nbspy --nonblocking", "py-spy", "profiling.sampling --blocking")
NOBODY: Final = "no profiler"
PHASE_S: Final = 0.1
BLOCKS: Final = {100: 100, 1000: 40}
"""By rate, of a turn: one turn of the first tells a tenth of a percent on a quiet machine."""
QUICK_BLOCKS: Final = 8
_WAITS: Final = "from signal import *; pthread_sigmask(SIG_BLOCK, [SIGINT]); sigwait([SIGINT])"
_SPARE_S: Final = 600
"""More than it takes, so that a recording ends when it is told to."""
_FEWEST_SAMPLES: Final = 0.75
"""Of what was asked for, of a sampler that was on: on a busy machine it is late."""
_QUIET_S: Final = 0.8
_FEWEST: Final = 10
_STARTING_S: Final = 0.9
_ATTACHING_S: Final = 2.0


def cases(settings: Settings) -> Iterator[Case]:
    who = chosen(settings)
    if settings.quick:
        who = [one for one in who if one.name in QUICK]
    own = [one for one in who if isinstance(one, Nbspy)]
    for threads, company in THREADS:
        for rate, words in RATES[1:] if settings.quick and threads > 1 else RATES:
            phases_s = 4 * PHASE_S * _blocks(rate, settings) + _ATTACHING_S
            seconds = (len(own) + bool(own)) * phases_s
            seconds += (len(who) - len(own)) * (settings.seconds + 2 * _QUIET_S + _STARTING_S)
            yield Case(
                f"harm: {words}, {company}",
                settings.repeat * seconds,
                partial(_measure, words, company, rate, threads, who, settings),
            )


def _blocks(rate: int, settings: Settings) -> int:
    return QUICK_BLOCKS if settings.quick else BLOCKS[rate]


def _measure(
    words: str, company: str, rate: int, threads: int, who: Sequence[Contestant], settings: Settings
) -> list[Row]:
    tally = Tally(settings.keep)
    figure, stopped = f"target slower at {words}: {company}", f"time stopped at {words}: {company}"
    by_name: dict[str, Contestant | None] = {one.name: one for one in who}
    if any(isinstance(one, Nbspy) for one in who):
        by_name[NOBODY] = None
    blocks: dict[str, list[Block]] = {}
    # The same phases for all, each turn others.
    random = Random(rate + threads)
    seeds = {name: Random(random.random()) for name in by_name}

    def measure(name: str) -> None:
        one = by_name[name]
        if one is not None and not isinstance(one, Nbspy):
            tally.add(figure, name, "%", harm(one, rate, threads, settings.seconds))
            return
        found, share = harm_in_phases(one, rate, threads, _blocks(rate, settings), seeds[name])
        together = blocks.setdefault(name, [])
        together += found
        sure, note = interval(together, Random(0)), effect(together).words()
        tally.add(figure, name, "%", effect(found).slower, interval=sure, note=note)
        if share is not None:
            tally.add(stopped, name, "%", share)

    take_turns(list(by_name), settings.repeat, measure, lambda name, why: tally.fail(figure, name, "%", why))
    return tally.rows()


def harm_in_phases(
    one: Nbspy | None, rate: int, threads: int, blocks: int, random: Random
) -> tuple[list[Block], float | None]:
    """Return what the target did while ``one`` (None: nobody) was on and halted, and the share of time it stood.

    The share is of the time that it was on, in percent and by its own words; None of one that does not stop.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "work")
        with target("work.py", file, FRAMES, threads, python=target_python()) as program:
            seconds = round(4 * PHASE_S * blocks) + _SPARE_S
            command = [sys.executable, "-c", _WAITS]
            if one is not None:
                command = one.command(program.pid, rate, seconds, Path(folder))
            with haltable(command, program.pid, processes=1 if one is None else 2) as running:
                phases = alternate(running, orders(blocks, random), PHASE_S)
            windows = read_windows(file)
        sampled = one.outcome("", Path(folder), threads, seconds) if one is not None else None
    share = None if sampled is None else _share_stopped(sampled, phases, rate)
    return blocks_of(windows, phases), share


def _share_stopped(sampled: Sampled, phases: Sequence[Phase], rate: int) -> float | None:
    """Return the part of the time, in percent, that the target stood; raises NotMeasured where it was not sampled."""
    on_s = (
        sampled.seconds - sum(phase.end_ns - phase.begin_ns for phase in phases if not (phase.on and phase.sound)) / 1e9
    )
    if sampled.samples < _FEWEST_SAMPLES * rate * on_s:
        raise NotMeasured(
            f"it took {sampled.samples} samples only in the {on_s:.1f} s that it was on: the machine is busy"
        )
    return 100 * sampled.stopped_ns / 1e9 / on_s if sampled.stopped_ns else None


def harm(one: Contestant, rate: int, threads: int, seconds: int) -> float:
    """Return by how many percent the target is slower while ``one`` samples it; below 0 within the noise."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "work")
        with target("work.py", file, FRAMES, threads, python=python_for(one)) as program:
            time.sleep(_QUIET_S)
            seen = record(one, program.pid, rate=rate, seconds=seconds, threads=threads)
            time.sleep(_QUIET_S)
            end_ns = time.monotonic_ns()
        windows = read_windows(file)
    window = seen.window()
    on = list(speeds(windows, window.begin_ns, window.end_ns))
    off = [*speeds(windows, 0, seen.begun_ns), *speeds(windows, seen.ended_ns, end_ns)]
    if min(len(on), len(off)) < _FEWEST:
        raise NotMeasured(f"the target logged {len(on)} times 50 ms while it was sampled, and {len(off)} beside")
    return slowdown(on, off)
