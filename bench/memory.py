"""What the sampler process holds after 10 and after 100 minutes' worth of samples at 100 Hz: 60,000 and 600,000.

Time is simulated by a high rate: the sampler is asked for 20 kHz, and its resident memory is read when it has taken
that many. The target is an ordinary program with many different stacks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

import nbspy
from bench.case import Case, NotMeasured, Row, Settings, Tally, take_turns
from bench.programs import target, tree
from bench.pythons import target_python

RATE_HZ: Final = 20_000
SAMPLES: Final = {10: 60_000, 100: 600_000}
EXPECTED_HZ: Final = 7000
"""About what is had of :data:`RATE_HZ`, for the estimate."""
_POLL_S: Final = 0.1
_SLOWEST_HZ: Final = 1000
MODES: Final = {"nbspy": False, "nbspy --nonblocking": True}


def cases(settings: Settings) -> Iterator[Case]:
    minutes = min(SAMPLES) if settings.quick else max(SAMPLES)
    names = [name for name in MODES if settings.wants(name)]
    seconds = len(names) * SAMPLES[minutes] / EXPECTED_HZ
    yield Case(f"memory: {minutes} minutes' worth", seconds, lambda: _measure(minutes, names, settings))


def _measure(until: int, names: list[str], settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    figure = "sampler memory after {} minutes' worth"

    def measure(name: str) -> None:
        held = sampler_memory(MODES[name], [minutes for minutes in SAMPLES if minutes <= until])
        for minutes, megabytes in held.items():
            tally.add(figure.format(minutes), name, "MB", megabytes)
        if len(held) > 1:
            tally.add("sampler memory, 100 minutes over 10", name, "times", held[100] / held[10])

    take_turns(names, 1, measure, lambda name, why: tally.fail(figure.format(until), name, "MB", why))
    return tally.rows()


def sampler_memory(nonblocking: bool, minutes: list[int]) -> dict[int, float]:
    """Return the resident memory of the sampler process, in MB, after each of these minutes' worth of samples."""
    held: dict[int, float] = {}
    with target("ordinary.py", python=target_python()) as program:
        before = set(tree(os.getpid()))
        with nbspy.attach(program.pid, rate=RATE_HZ, nonblocking=nonblocking, recording=False) as session:
            [sampler] = set(tree(os.getpid())) - before
            deadline = time.monotonic() + SAMPLES[minutes[-1]] / _SLOWEST_HZ
            for step in minutes:
                while session.status is None or session.status.samples < SAMPLES[step]:
                    if not session.running or time.monotonic() > deadline:
                        raise NotMeasured(f"the sampler took {session.sample_count} samples of {SAMPLES[step]}")
                    time.sleep(_POLL_S)
                held[step] = _resident_mb(sampler)
    return held


def _resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    raise NotMeasured(f"the kernel does not say what process {pid} holds")
