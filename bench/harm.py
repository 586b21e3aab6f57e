"""How much slower the target runs while it is sampled: it counts its own work in windows of 50 ms.

Windows in which it certainly was sampled are compared, by their medians, with those before and after in which no
profiler ran, of the same run of the same target: the speed of a shared machine drifts by more than what is measured.
Time in which other programs had the target's processor is left out by the target itself.
The profilers are not halted and continued within one recording: three of them make up for what they missed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.case import Case, NotMeasured, Row, Settings, Tally, take_turns
from bench.cpu import chosen
from bench.peers import Contestant, python_for
from bench.programs import target
from bench.recording import record
from bench.windows import Pair, inside, read_pairs, slowdown

RATES: Final = ((100, "100 Hz"), (1000, "1 kHz"))
THREADS: Final = ((1, "alone"), (150, "with 149 sleeping threads"))
FRAMES: Final = 20
QUICK: Final = ("nbspy", "nbspy --nonblocking", "py-spy", "profiling.sampling --blocking")
_QUIET_S: Final = 0.8
_FEWEST: Final = 10
_STARTING_S: Final = 0.9


def cases(settings: Settings) -> Iterator[Case]:
    who = chosen(settings)
    if settings.quick:
        who = [one for one in who if one.name in QUICK]
    for threads, company in THREADS:
        for rate, words in RATES[1:] if settings.quick and threads > 1 else RATES:
            figure = f"target slower at {words}: {company}"
            seconds = len(who) * settings.repeat * (settings.seconds + 2 * _QUIET_S + _STARTING_S)
            yield Case(
                f"harm: {words}, {company}",
                seconds,
                partial(_measure, figure, rate, threads, who, settings),
            )


def _measure(figure: str, rate: int, threads: int, who: Sequence[Contestant], settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    by_name = {one.name: one for one in who}

    def measure(name: str) -> None:
        tally.add(figure, name, "%", harm(by_name[name], rate, threads, settings.seconds))

    take_turns(list(by_name), settings.repeat, measure, lambda name, why: tally.fail(figure, name, "%", why))
    return tally.rows()


def harm(one: Contestant, rate: int, threads: int, seconds: int) -> float:
    """Return by how many percent the target is slower while ``one`` samples it; below 0 within the noise."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "work")
        with target("work.py", file, FRAMES, threads, python=python_for(one)) as program:
            time.sleep(_QUIET_S)
            seen = record(one, program.pid, rate=rate, seconds=seconds, threads=threads)
            time.sleep(_QUIET_S)
            end_ns = time.monotonic_ns()
        windows: list[Pair] = read_pairs(file)
    window = seen.window()
    on = list(inside(windows, window.begin_ns, window.end_ns))
    off = [*inside(windows, 0, seen.begun_ns), *inside(windows, seen.ended_ns, end_ns)]
    if min(len(on), len(off)) < _FEWEST:
        raise NotMeasured(f"the target logged {len(on)} windows while it was sampled, and {len(off)} beside")
    return slowdown(on, off)
