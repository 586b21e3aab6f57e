"""What a day costs in memory: ``python -m bench.day [--hours 24]``, 100 Hz, 50 threads, a million distinct stacks.

The day is made up and fed as fast as it is taken: to the kernel's half of a session as the records that a sampler
would send (four threads change their stack at each sample, the others stand still and are told five times a second),
to the sampler's half as observations. Each half runs in a process of its own, whose peak is what the system says.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import threading
import time
from array import array
from typing import Final

from nbspy import wire
from nbspy.bounds import MAX_LOG_BYTES, MAX_RUNS, Bounds
from nbspy.byte_log import ByteLog
from nbspy.cpython.interner import ROOT, FrameKey, Interner
from nbspy.model.builder import Builder
from nbspy.sampling.runs import RunTracker
from nbspy.sampling.stream_writer import StreamWriter

RATE_HZ: Final = 100
THREADS: Final = 50
BUSY: Final = 4
STACKS: Final = 1_000_000
FUNCTIONS: Final = 2000
FLUSHES_HZ: Final = 5
_U32: Final = 0xFFFF_FFFF


def peak_mib() -> float:
    """Return the most memory that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _status(samples: int, time_ns: int) -> wire.Status:
    zeros = dict.fromkeys(wire.Status.__struct_fields__, 0)
    told = {"samples": samples, "thread_samples": samples * THREADS, "time_ns": time_ns}
    return wire.Status(**{**zeros, **told})


def _hello() -> wire.Hello:
    return wire.Hello(1, wire.FORMAT_VERSION, "0", 1, "python", "3.13.0", False, 10**9 // RATE_HZ, 0, 0, True)


def _tables() -> list[wire.AnyRecord]:
    names = ["", *(f"package.module.function_{number}" for number in range(FUNCTIONS))]
    ids = array("I", range(1, FUNCTIONS + 1)).tobytes()
    lines = array("i", [1] * FUNCTIONS).tobytes()
    rows = [wire.ThreadRow(i, 0, i + 1, i + 1, f"thread {i}", 0) for i in range(THREADS)]
    return [
        _hello(),
        wire.Processes(2, [wire.ProcessRow(0, 1, 0, "python")]),
        wire.Threads(3, rows),
        wire.Strings(4, 0, names),
        wire.Frames(5, 0, ids, ids, ids, ids, ids, lines, lines, bytes(FUNCTIONS)),
    ]


def kernel(hours: float) -> str:
    """Feed a session's kernel half, and return what it held."""
    builder, log, chance = Builder(), ByteLog(), random.Random(1)
    bounds, changed = Bounds(builder, log), threading.Condition()

    def take(*records: wire.AnyRecord) -> None:
        for record in records:
            builder.add(record)
        log.append(b"".join(map(wire.encode, records)))
        bounds.keep(changed)

    log.append(wire.MAGIC)
    take(*_tables())
    baseline, begun = peak_mib(), time.process_time()
    seconds = max(1, round(hours * 3600))
    per_second, known = -(-STACKS // seconds), 1
    busy_rows, told = BUSY * RATE_HZ, (THREADS - BUSY) * FLUSHES_HZ
    rows = busy_rows + told
    starts = [10**6 * i // busy_rows for i in range(busy_rows)] + [10**6 * (i % FLUSHES_HZ) // 5 for i in range(told)]
    thread_of = [i % BUSY for i in range(busy_rows)] + [BUSY + i // FLUSHES_HZ for i in range(told)]
    counts = [1] * busy_rows + [RATE_HZ // FLUSHES_HZ] * told
    weights = [10**6 // RATE_HZ] * busy_rows + [10**6 // FLUSHES_HZ] * told
    fixed = [array("I", column).tobytes() for column in (starts, thread_of, counts, weights)]
    states = bytes([3] * busy_rows + [0] * told)
    still = [1 + i for i in range(THREADS)]
    for second in range(seconds):
        parents = array("I", [chance.randrange(known + i) for i in range(per_second)])
        frames = array("I", [chance.randrange(FUNCTIONS) for _ in range(per_second)])
        nodes = wire.Nodes(6, known, parents.tobytes(), frames.tobytes())
        known += per_second
        leaves = array("I", [chance.randrange(known) for _ in range(busy_rows)])
        leaves.extend(min(still[thread], known - 1) for thread in thread_of[busy_rows:])
        samples = wire.Samples(7, second * 10**9, fixed[0], fixed[1], leaves.tobytes(), states, fixed[2], fixed[3])
        take(nodes, samples, *(_status((second + 1) * RATE_HZ, second * 10**9) for _ in range(FLUSHES_HZ)))
    runs = builder.snapshot().runs
    exact = sum(runs.count) == seconds * RATE_HZ * THREADS and sum(runs.weight_us) == seconds * 10**6 * THREADS
    return (
        f"kernel: {hours:g} h, {seconds * rows:,} runs, {known:,} stacks: peak {peak_mib():.0f} MiB"
        f" (of it {baseline:.0f} before it began); held at the end {builder.run_count:,} runs of {MAX_RUNS:,},"
        f" {log.held >> 20} MiB of stream of {MAX_LOG_BYTES >> 20}; {bounds.halvings} halvings;"
        f" {(time.process_time() - begun) / (hours * 3600):.2%} of a core; counts and times exact: {exact}"
    )


def sampler(hours: float) -> str:
    """Feed a sampler's half, whose reader reads, and return what it held."""
    interner, tracker, chance = Interner(), RunTracker(), random.Random(1)
    sink = os.open(os.devnull, os.O_WRONLY)
    writer = StreamWriter(sink)
    frames = [
        interner.frame(FrameKey(f"f{i}", f"C.f{i}", f"/src/m{i % 99}.py", f"m{i % 99}.py", "m", i, i))
        for i in range(FUNCTIONS)
    ]
    baseline, begun = peak_mib(), time.process_time()
    ticks = max(1, round(hours * 3600 * RATE_HZ))
    every = max(1, ticks // STACKS)
    per_tick = -(-STACKS // ticks)
    leaf = [ROOT] * THREADS
    for tick in range(ticks):
        if tick % every == 0:
            for _ in range(per_tick):
                parent = chance.randrange(max(1, len(interner.children)))
                interner.node(parent, frames[chance.randrange(FUNCTIONS)])
        known = len(interner.children) + 1
        for thread in range(BUSY):
            leaf[thread] = chance.randrange(known)
        tracker.observe(tick * 10**7, [(thread, node, 0) for thread, node in enumerate(leaf)])
        if tick % (RATE_HZ // FLUSHES_HZ) == 0:
            tracker.flush()
            writer.put_tables(interner.take_new())
            writer.put_samples(tracker.columns)
            writer.flush()
    os.close(sink)
    return (
        f"sampler: {hours:g} h, {len(interner.children):,} stacks: peak {peak_mib():.0f} MiB (of it {baseline:.0f}"
        f" before it began); {(time.process_time() - begun) / (hours * 3600):.2%} of a core for runs and stream"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.day", description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--half", choices=["kernel", "sampler"], default=None, help="this one alone, in this process")
    options = parser.parse_args()
    if options.half is not None:
        print({"kernel": kernel, "sampler": sampler}[options.half](options.hours), flush=True)
        return
    for half in ("sampler", "kernel"):
        command = [sys.executable, "-m", "bench.day", "--hours", str(options.hours), "--half", half]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
