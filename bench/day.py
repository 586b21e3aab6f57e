"""What a day costs in memory: ``python -m bench.day [--hours 24]``, 100 Hz, 50 threads, a million distinct stacks.

The day (:mod:`bench.made_up_day`) is fed as fast as it is taken: to the kernel's half of a session as the records that
a sampler would send, to the explorer's model in node, or the explorer itself in Chromium, as the stream that a kernel
would pass on, and to the sampler's half as observations. Each runs in a process of its own, whose peak is what the
system says, and tells how far it is after each simulated hour. The whole day takes the better part of an hour.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from bench.browser.drive import explorer, heap_mb
from bench.case import Case, NotMeasured, Row, Settings
from bench.goals import DAY_MIB
from bench.made_up_day import (
    BUSY,
    FLUSHES_HZ,
    FUNCTIONS,
    RATE_HZ,
    STACKS,
    THREADS,
    beginning,
    each_second,
    seconds_of,
)
from nbspy import wire
from nbspy.bounds import Bounds
from nbspy.byte_log import ByteLog
from nbspy.cpython.interner import ROOT, FrameKey, Interner
from nbspy.model.builder import Builder, profile_from_stream
from nbspy.model.profile import Profile
from nbspy.sampling.runs import RunTracker
from nbspy.sampling.stream_writer import StreamWriter

HOUR_S: Final = 3600
MINUTE_S: Final = 60
SHORT_HOURS: Final = 4.0
"""Of a case: past some halvings."""
JS: Final = Path(__file__).parent.parent / "js"


@dataclass(frozen=True, slots=True)
class Held:
    """What a half held at the end of its day."""

    half: str
    hours: float
    samples: int
    """Of all threads together."""
    stacks: int
    peak_mib: float
    """Resident at most; the browser's: of its script, after a collection each hour."""
    before_mib: float
    """The same before the day began."""
    rows: int
    stream_mib: float
    halvings: int
    core_percent: float
    """CPU time, of the simulated time."""
    busiest_s: float
    """The most CPU time that one minute of the day took: what keeps within a budget comes all at once."""
    exact: bool
    """Whether the samples and microseconds of every thread are those that were fed."""

    @property
    def within(self) -> bool:
        """Whether the budget was kept."""
        return self.peak_mib <= DAY_MIB[self.half]

    def text(self) -> str:
        return (
            f"{self.half}: {self.hours:g} h, {self.samples:,} samples, {self.stacks:,} stacks: peak"
            f" {self.peak_mib:.0f} MiB of {DAY_MIB[self.half]} (of it {self.before_mib:.0f} before it began),"
            f" {self.rows:,} rows, {self.stream_mib:.0f} MiB of stream, {self.halvings} halvings,"
            f" {self.core_percent:.2f} % of a core, busiest minute {self.busiest_s:.1f} s;"
            f" counts and times exact: {self.exact}"
        )


Say = Callable[[str], None]


def peak_mib() -> float:
    """Return the most memory that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _exact(profile: Profile, seconds: int) -> bool:
    thread = np.frombuffer(profile.runs.thread, np.uint32)
    for column, each in ((profile.runs.count, seconds * RATE_HZ), (profile.runs.weight_us, seconds * 10**6)):
        # Sums of floats: whole numbers, and far below what a float has exactly.
        if not np.array_equal(np.bincount(thread, np.frombuffer(column, np.uint32)), np.full(THREADS, each)):
            return False
    return True


def kernel(hours: float, say: Say) -> Held:
    """Feed a session's kernel half, and return what it held."""
    builder, log = Builder(), ByteLog()
    bounds, changed = Bounds(builder, log), threading.Condition()

    def take(records: list[wire.AnyRecord]) -> None:
        for record in records:
            builder.add(record)
        log.append(b"".join(map(wire.encode, records)))
        bounds.keep(changed)

    log.append(wire.MAGIC)
    take(beginning())
    before, begun, busiest = peak_mib(), time.process_time(), 0.0
    since = begun
    for second, records in enumerate(each_second(hours), 1):
        take(records)
        if second % MINUTE_S == 0:
            now = time.process_time()
            busiest, since = max(busiest, now - since), now
        if second % HOUR_S == 0:
            held = f"{builder.run_count:,} rows, {log.held >> 20} MiB of stream, {bounds.halvings} halvings"
            say(f"hour {second // HOUR_S}: {held}, counts and times exact: {_exact(builder.snapshot(), second)}")
            since = time.process_time()  # what the check took is not what a session takes
    spent, peak, seconds = time.process_time() - begun, peak_mib(), seconds_of(hours)
    profile = builder.snapshot()
    exact = _exact(profile, seconds) and _exact(profile_from_stream(log.read()), seconds)
    return Held(
        "kernel",
        hours,
        seconds * RATE_HZ * THREADS,
        len(profile.tables.nodes) - 1,
        peak,
        before,
        builder.run_count,
        log.held / (1 << 20),
        bounds.halvings,
        100 * spent / seconds,
        busiest,
        exact,
    )


class _Sums:
    """Reads what a sampler writes, and adds it up."""

    def __init__(self, source: int) -> None:
        self._source = source
        self.samples, self.weights_us = np.zeros(THREADS, np.int64), np.zeros(THREADS, np.int64)
        self.rows = self.size = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        splitter = wire.FrameSplitter()
        while piece := os.read(self._source, 1 << 16):
            self.size += len(piece)
            for body in splitter.feed(piece):
                record = wire.decode(body)
                if isinstance(record, wire.Samples):
                    self.rows += len(record.state)
                    thread = np.frombuffer(record.thread, np.uint32)
                    for total, column in ((self.samples, record.count), (self.weights_us, record.weight_us)):
                        total += np.bincount(thread, np.frombuffer(column, np.uint32), THREADS).astype(np.int64)

    def join(self) -> None:
        self._thread.join()
        os.close(self._source)

    def exact(self, seconds: int) -> bool:
        return bool(np.all(self.samples == seconds * RATE_HZ) and np.all(self.weights_us == seconds * 10**6))


def sampler(hours: float, say: Say, stacks: int = STACKS) -> Held:
    """Feed a sampler's half, whose reader reads, and return what it held."""
    interner, tracker, chance = Interner(), RunTracker(), np.random.default_rng(1)
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    writer, sums = StreamWriter(sink), _Sums(source)
    frames = [
        interner.frame(FrameKey(f"f{i}", f"C.f{i}", f"/src/m{i % 99}.py", f"m{i % 99}.py", "m", i, i))
        for i in range(FUNCTIONS)
    ]
    before, begun, busiest = peak_mib(), time.thread_time(), 0.0
    since = begun
    ticks = seconds_of(hours) * RATE_HZ
    made, idle = 0, [(thread, ROOT, 0) for thread in range(BUSY, THREADS)]
    for tick in range(ticks):
        if tick % RATE_HZ == 0:  # as much chance as this second needs
            due = -(-(tick + RATE_HZ) * stacks // ticks)
            parents = chance.random(due - made).tolist()
            picked = chance.integers(0, FUNCTIONS, due - made).tolist()
            jumps = iter(chance.random((RATE_HZ, BUSY)).tolist())
            for share, function in zip(parents, picked, strict=True):  # the tree grows until the day's end
                interner.node(int(share * (len(interner.children) + 1)), frames[function])
            made, known = due, len(interner.children) + 1
        changed = [(thread, int(share * known), 3) for thread, share in enumerate(next(jumps))]
        tracker.observe(tick * 10**7, changed if tick else [*changed, *idle])
        if tick % (RATE_HZ // FLUSHES_HZ) == 0:
            tracker.flush()
            writer.put_tables(interner.take_new())
            writer.put_samples(tracker.columns)
            while not writer.flush():
                time.sleep(0.001)  # a reader has a fifth of a second for what comes in one
        if (tick + 1) % (RATE_HZ * MINUTE_S) == 0:
            now = time.thread_time()
            busiest, since = max(busiest, now - since), now
        if (tick + 1) % (RATE_HZ * HOUR_S) == 0:
            say(f"hour {(tick + 1) // RATE_HZ // HOUR_S}: {len(interner.children):,} stacks")
    spent, peak = time.thread_time() - begun, peak_mib()
    tracker.finish(ticks * 10**7)
    writer.put_tables(interner.take_new())
    writer.put_samples(tracker.columns)
    os.set_blocking(sink, True)
    writer.flush()
    os.close(sink)
    sums.join()
    return Held(
        "sampler",
        hours,
        ticks * THREADS,
        len(interner.children),
        peak,
        before,
        sums.rows,
        sums.size / (1 << 20),
        0,
        100 * spent * RATE_HZ / ticks,
        busiest,
        sums.exact(ticks // RATE_HZ),
    )


def _pieces(hours: float) -> Iterator[bytes]:
    yield wire.MAGIC + b"".join(map(wire.encode, beginning()))
    gathered: list[bytes] = []
    for second, records in enumerate(each_second(hours), 1):
        gathered += map(wire.encode, records)
        if second % MINUTE_S == 0:
            yield b"".join(gathered)
            gathered = []
    yield b"".join(gathered)


def explorer_in_browser(hours: float, say: Say) -> Held:
    """Feed the explorer in a Chromium, and return what its page held."""
    files: dict[str, bytes] = {}
    size = 0
    with explorer(files) as page:
        before, peak, begun, busiest = heap_mb(page), 0.0, time.monotonic(), 0.0
        state: dict[str, float] = {}
        for number, piece in enumerate(_pieces(hours)):
            files["/piece"] = piece
            size += len(piece)
            page.evaluate("() => bench.fetch('/piece')")
            state = page.evaluate("() => bench.piece()")
            busiest = max(busiest, state["ms"] / 1000)
            if number * MINUTE_S % HOUR_S == 0:
                peak = max(peak, held := heap_mb(page))
                say(f"hour {number * MINUTE_S // HOUR_S}: {held:.0f} MB, last frame {state['ms']:.0f} ms")
        peak = max(peak, heap_mb(page))
        spent = time.monotonic() - begun
    seconds = seconds_of(hours)
    samples = seconds * RATE_HZ * THREADS
    mib = 1e6 / (1 << 20)
    return Held(
        "explorer",
        hours,
        int(state["samples"]),
        STACKS,
        peak * mib,
        before * mib,
        0,
        size / (1 << 20),
        0,
        100 * spent / seconds,
        busiest,
        state["samples"] == samples,
    )


def model(hours: float, say: Say) -> Held:
    """Feed what the explorer keeps of a stream, in node, and return what it held."""
    bundler, node = JS / "node_modules" / ".bin" / "esbuild", shutil.which("node")
    if node is None or not bundler.exists():
        raise NotMeasured("node and js/node_modules are needed: cd js && npm ci")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "model.mjs"
        source = Path(__file__).parent / "browser" / "model.ts"
        bundle = [str(bundler), str(source), "--bundle", "--platform=node", "--format=esm", "--log-level=error"]
        subprocess.run([*bundle, f"--outfile={script}"], check=True)
        run = [node, "--expose-gc", str(script)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            lines = process.stdout
            told: list[dict[str, Any]] = []

            def listen() -> None:
                for line in lines:
                    told.append(msgspec.json.decode(line))
                    now = told[-1]
                    say(f"hour {now['hour']}: {now['rows']:,} rows, {now['held']:.0f} MiB, {now['halvings']} halvings")

            listener = threading.Thread(target=listen)
            listener.start()
            for piece in _pieces(hours):
                process.stdin.write(piece)
            process.stdin.close()
            listener.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    last, seconds = told[-1], seconds_of(hours)
    samples = seconds * RATE_HZ * THREADS
    return Held(
        "model",
        hours,
        samples,
        last["nodes"],
        last["resident"],
        0.0,
        last["rows"],
        last["bytes"] / (1 << 20),
        last["halvings"],
        100 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / seconds,
        last["slowest"] / 1000,
        last["failure"] is None and last["samples"] == samples and last["weights"] == [seconds * 10**6] * THREADS,
    )


HALVES: Final[dict[str, Callable[[float, Say], Held]]] = {
    "sampler": sampler,
    "kernel": kernel,
    "model": model,
    "explorer": explorer_in_browser,
}


def cases(settings: Settings) -> Iterator[Case]:
    if settings.quick:
        return  # no goal is set for these
    for half, seconds_per_hour in (("kernel", 40), ("sampler", 15), ("model", 20)):
        yield Case(f"day: {half}", SHORT_HOURS * seconds_per_hour, lambda half=half: _rows(half))  # type: ignore[misc]


def _rows(half: str) -> list[Row]:
    command = [sys.executable, "-m", "bench.day", "--half", half, "--hours", str(SHORT_HOURS), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    held = msgspec.json.decode(done.stdout.splitlines()[-1], type=Held)
    if not held.exact:
        raise NotMeasured(f"samples were lost: {held.text()}")
    what = f"{SHORT_HOURS:g} hours of 50 threads, a million stacks"
    return [
        Row(f"memory at most: {what}", half, "MiB", (held.peak_mib,)),
        Row(f"CPU: {what}", half, "% of a core", (held.core_percent,)),
        Row(f"busiest minute: {what}", half, "s", (held.busiest_s,)),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.day", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--half", choices=list(HALVES), help="this one alone, in this process")
    parser.add_argument("--stacks", type=int, default=STACKS, help="of the sampler's day (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="what was held as JSON in the last line")
    options = parser.parse_args()
    if options.half is None:
        commands = [[*sys.argv[1:], "--half", half] for half in HALVES]
        return max(subprocess.run([sys.executable, "-m", "bench.day", *command]).returncode for command in commands)
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{options.half}: {text}; peak {peak_mib():.0f} MiB, {time.monotonic() - begun:.0f} s", flush=True)

    if options.half == "sampler":
        held = sampler(options.hours, say, options.stacks)
    else:
        held = HALVES[options.half](options.hours, say)
    print(msgspec.json.encode(held).decode() if options.json else held.text(), flush=True)
    return 0 if held.exact and held.within else 1


if __name__ == "__main__":
    sys.exit(main())
