"""How long a blocking sample keeps the target standing: by nbspy's own clock, and as the target feels it.

The target (``gaps.py``) reads the clock in a loop and keeps its longest gaps; as many of them as samples were taken are
the stops, give or take what the system's own interruptions are.
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


def _measure(rate: int, words: str, who: Sequence[Contestant], settings: Settings) -> list[Row]:
    tally = Tally()
    by_name = {one.name: one for one in who}
    felt = f"interruption felt by the target at {words}"

    def measure(name: str) -> None:
        one = by_name[name]
        with TemporaryDirectory() as folder:
            file = Path(folder, "gaps")
            with target("gaps.py", file, python=python_for(one)) as program:
                seen = record(one, program.pid, rate=rate, seconds=settings.seconds)
            gaps = read_pairs(file)
        if seen.sampled.stop_us is not None:
            tally.add(f"time stopped at {words}, median", name, "us", seen.sampled.stop_us[0])
            tally.add(f"time stopped at {words}, p99", name, "us", seen.sampled.stop_us[1])
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
