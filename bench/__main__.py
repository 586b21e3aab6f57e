"""``python -m bench [--repeat N] [--quick]``: the table of figures, and the same as JSON under bench/results."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import median, target
from bench.peers import Profiler, Recording, profilers
from bench.relay import relay_cost

RESULTS = Path(__file__).parent / "results"
STATIC = Path(__file__).parent.parent / "nbspy" / "static"
RATE_HZ = 1000.0
SHORT_S, LONG_S = 1.0, 4.0


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one profiler; ``ratio`` is to the first profiler of the same figure."""

    figure: str
    profiler: str
    value: float
    unit: str
    low: float
    high: float
    ratio: float | None = None


def cpu_per_sample(frames: int, repeat: int, found: list[Profiler]) -> list[Row]:
    """Marginal CPU time of a sample: a long recording less a short one, so that start-up does not count."""
    seen: dict[str, list[float]] = {}
    with target("depth.py", str(frames)) as announced:
        for _ in range(repeat):
            for profiler in found:
                short = profiler.record(announced["pid"], RATE_HZ, SHORT_S)
                long = profiler.record(announced["pid"], RATE_HZ, LONG_S)
                spent = (long.cpu_s - short.cpu_s) / max(long.samples - short.samples, 1)
                seen.setdefault(profiler.name, []).append(spent * 1e6)
    return _rows(f"CPU per sample, {frames} frames", seen, "us")


def attach_time(repeat: int, found: list[Profiler]) -> list[Row]:
    """From the request to the first sample (nbspy says so itself), and the rest of a one-second recording."""
    first: dict[str, list[float]] = {}
    whole: dict[str, list[float]] = {}
    with target("depth.py", "20") as announced:
        for _ in range(repeat):
            for profiler in found:
                recording: Recording = profiler.record(announced["pid"], 100.0, 1.0)
                whole.setdefault(profiler.name, []).append((recording.cost.wall_s - 1.0) * 1e3)
                attach_ns = recording.stats.get("attach_ns")
                if isinstance(attach_ns, int):
                    first.setdefault(profiler.name, []).append(attach_ns / 1e6)
    return _rows("attach to first sample", first, "ms") + _rows("command beyond its duration", whole, "ms")


def stop_time(repeat: int, found: list[Profiler]) -> list[Row]:
    """How long nbspy's blocking mode keeps the thread standing, at 1 kHz."""
    seen: dict[str, list[float]] = {}
    with target("depth.py", "20") as announced:
        for _ in range(repeat):
            stop = found[0].record(announced["pid"], RATE_HZ, 2.0).stats["stop_ns"]
            assert isinstance(stop, dict)
            seen.setdefault("nbspy, median", []).append(stop["median"] / 1e3)
            seen.setdefault("nbspy, p99", []).append(stop["p99"] / 1e3)
    return _rows("time stopped", seen, "us")


def _rows(figure: str, seen: dict[str, list[float]], unit: str) -> list[Row]:
    base = median(next(iter(seen.values()))) if seen else 0.0
    return [
        Row(figure, name, median(values), unit, min(values), max(values), median(values) / base if base else None)
        for name, values in seen.items()
    ]


def bundle_sizes() -> list[Row]:
    sizes = {path.name: [path.stat().st_size / 1000] for path in sorted(STATIC.glob("*.js"))}
    return [Row("bundle size", name, size[0], "kB", size[0], size[0]) for name, size in sizes.items()]


def table(rows: list[Row]) -> Table:
    """Return the figures as a table; the ratio is to the first line of each figure."""
    view = Table(title="nbspy beside its peers: medians (lowest to highest)", title_justify="left")
    view.add_column("figure")
    view.add_column("profiler")
    for name in ("median", "range", "ratio"):
        view.add_column(name, justify="right")
    last = ""
    for row in rows:
        view.add_row(
            row.figure if row.figure != last else "",
            row.profiler,
            f"{row.value:,.1f} {row.unit}",
            f"{row.low:,.1f} to {row.high:,.1f}",
            "" if row.ratio is None else f"{row.ratio:.2f}",
            end_section=False,
        )
        last = row.figure
    return view


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="runs of each figure (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one run of each figure: does it work at all?")
    options = parser.parse_args()
    repeat = 1 if options.quick else max(1, options.repeat)
    console = Console(stderr=True)
    found = profilers()
    rows: list[Row] = []
    for frames in (10, 50, 200):
        console.print(f"bench: CPU per sample, {frames} frames ...", highlight=False)
        rows += cpu_per_sample(frames, repeat, found)
    console.print("bench: attach, stop time, relay ...", highlight=False)
    rows += attach_time(repeat, found)
    rows += stop_time(repeat, found)
    rows += [Row("relay in the kernel", name, median(v), u, min(v), max(v)) for name, u, v in relay_cost(repeat)]
    rows += bundle_sizes()
    Console().print(table(rows))
    RESULTS.mkdir(exist_ok=True)
    result = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    machine = {"system": platform.platform(), "python": sys.version}
    result.write_text(json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=1))
    console.print(f"bench: written to {result}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
