"""The stream: its bytes for each thread and sample, and what passing it on to the browser costs the kernel."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import nbspy
from bench.case import Case, Row, Settings, Tally, take_turns
from bench.programs import target
from bench.pythons import target_python
from nbspy.views.relay import Relay

RATE_HZ: Final = 100
TARGETS: Final = (
    ("16 threads, 4 busy", "depth.py", (20, 16, 4)),
    ("150 threads, 1 busy", "depth.py", (20, 150, 1)),
    ("calls without end", "churn.py", ("calls",)),
    ("an ordinary target", "ordinary.py", ()),
)
_STARTING_S: Final = 0.5


def cases(settings: Settings) -> Iterator[Case]:
    for what, script, arguments in TARGETS[:1] if settings.quick else TARGETS:
        yield Case(
            f"stream: {what}",
            settings.repeat * (settings.seconds + _STARTING_S),
            partial(_measure, what, script, arguments, settings),
        )


@dataclass(frozen=True, slots=True)
class Relayed:
    """What passing on a stream for some seconds took."""

    busy_percent: float
    """CPU time of the kernel side, of a core."""
    message_us: float
    bytes_per_thread_sample: float


def _measure(what: str, script: str, arguments: tuple[object, ...], settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    size, busy, message = (
        f"{name}: {what}"
        for name in ("stream per thread and sample", "CPU of the kernel's side", "CPU of a message to the browser")
    )

    def measure(name: str) -> None:
        with target(script, *arguments, python=target_python()) as program:
            seen = relayed(program.pid, settings.seconds)
        tally.add(size, name, "bytes", seen.bytes_per_thread_sample)
        tally.add(busy, name, "% of a core", seen.busy_percent)
        tally.add(message, name, "us", seen.message_us)

    take_turns(["nbspy"], settings.repeat, measure, lambda name, why: tally.fail(size, name, "bytes", why))
    return tally.rows()


def relayed(pid: int, seconds: float) -> Relayed:
    """Sample ``pid`` from this process as a kernel does, and pass the stream on to nobody."""

    def send(_content: object, _buffers: list[bytes]) -> None:
        return

    with nbspy.attach(pid, rate=RATE_HZ, recording=False) as session:
        relay = Relay(session.stream, send)
        relay.start()
        before = time.process_time_ns()
        threading.Event().wait(seconds)
        spent = time.process_time_ns() - before
        thread_samples = session.status.thread_samples if session.status else 0
        size = session.stream.size
    counters = relay.counters
    return Relayed(
        spent / seconds / 1e7, counters.cpu_ns / max(counters.messages, 1) / 1e3, size / max(thread_samples, 1)
    )
