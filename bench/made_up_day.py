"""A day that is made up: what a sampler at 100 Hz says of 50 threads in a program of a million different stacks.

Four threads have another stack at every sample, at random among all that are known by then, which is the worst there
is to merge; the others stand still and are told of five times a second. The call tree grows until the day's end.
Everything is what goes over the wire, second by second.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

import numpy as np

from nbspy import wire

RATE_HZ: Final = 100
THREADS: Final = 50
BUSY: Final = 4
STACKS: Final = 1_000_000
FUNCTIONS: Final = 2000
FLUSHES_HZ: Final = 5


def beginning() -> list[wire.AnyRecord]:
    """Return the records that a stream begins with: the target, its threads and its functions."""
    names = ["", *(f"package.module.function_{number}" for number in range(FUNCTIONS))]
    ids = array("I", range(1, FUNCTIONS + 1)).tobytes()
    lines = array("i", [1] * FUNCTIONS).tobytes()
    rows = [wire.ThreadRow(i, 0, i + 1, i + 1, f"thread {i}", 0) for i in range(THREADS)]
    return [
        wire.Hello(1, wire.FORMAT_VERSION, "0", 1, "python", "3.13.0", False, 10**9 // RATE_HZ, 0, 0, True),
        wire.Processes(2, [wire.ProcessRow(0, 1, 0, "python")]),
        wire.Threads(3, rows),
        wire.Strings(4, 0, names),
        wire.Frames(5, 0, ids, ids, ids, ids, ids, lines, lines, bytes(FUNCTIONS)),
    ]


def seconds_of(hours: float) -> int:
    return max(1, round(hours * 3600))


def each_second(hours: float) -> Iterator[list[wire.AnyRecord]]:
    """Yield the records of one second after the other. However short the day, it has all :data:`STACKS`."""
    chance = np.random.default_rng(1)
    seconds = seconds_of(hours)
    per_second, known = -(-STACKS // seconds), 1
    busy_rows, told = BUSY * RATE_HZ, (THREADS - BUSY) * FLUSHES_HZ
    starts = [10**6 * (i // BUSY) // RATE_HZ for i in range(busy_rows)]
    starts += [10**6 * (i % FLUSHES_HZ) // FLUSHES_HZ for i in range(told)]
    thread_of = [i % BUSY for i in range(busy_rows)] + [BUSY + i // FLUSHES_HZ for i in range(told)]
    counts = [1] * busy_rows + [RATE_HZ // FLUSHES_HZ] * told
    weights = [10**6 // RATE_HZ] * busy_rows + [10**6 // FLUSHES_HZ] * told
    start, thread, count, weight = (array("I", column).tobytes() for column in (starts, thread_of, counts, weights))
    still = np.array(thread_of[busy_rows:], np.uint32) + 1
    states = bytes([3] * busy_rows + [0] * told)
    for second in range(seconds):
        parents = chance.integers(0, np.arange(known, known + per_second), dtype=np.uint32)
        frames = chance.integers(0, FUNCTIONS, per_second, dtype=np.uint32)
        nodes = wire.Nodes(6, known, parents.tobytes(), frames.tobytes())
        known += per_second
        busy = chance.integers(0, known, busy_rows, dtype=np.uint32)
        leaves = busy.tobytes() + np.minimum(still, known - 1).astype(np.uint32).tobytes()
        samples = wire.Samples(7, second * 10**9, start, thread, leaves, states, count, weight)
        yield [nodes, samples, *(_status((second + 1) * RATE_HZ, second * 10**9) for _ in range(FLUSHES_HZ))]


def _status(samples: int, time_ns: int) -> wire.Status:
    zeros = dict.fromkeys(wire.Status.__struct_fields__, 0)
    told = {"samples": samples, "thread_samples": samples * THREADS, "time_ns": time_ns}
    return wire.Status(**{**zeros, **told})
