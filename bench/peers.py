"""The profilers that are compared, each as a command that records a pid for a time at a rate."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Cost, run


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording by one profiler."""

    cost: Cost
    samples: int
    """Instants sampled."""
    cpu_s: float
    """CPU time of the process that samples (all of the profiler, where that is one process)."""
    stats: dict[str, object]


@dataclass(frozen=True, slots=True)
class Profiler:
    """A profiler under comparison."""

    name: str
    record: Callable[[int, float, float], Recording]
    """(pid, rate in Hz, duration in s) -> Recording."""


def profilers() -> list[Profiler]:
    """Return nbspy first, then the peers that are installed."""
    found = [
        Profiler("nbspy", lambda pid, rate, seconds: _nbspy(pid, rate, seconds)),
        Profiler("nbspy --nonblocking", lambda pid, rate, seconds: _nbspy(pid, rate, seconds, "--nonblocking")),
    ]
    pyspy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if pyspy is not None:
        found += [
            Profiler("py-spy", lambda pid, rate, seconds: _pyspy(pyspy, pid, rate, seconds)),
            Profiler("py-spy --nonblocking", lambda pid, rate, seconds: _pyspy(pyspy, pid, rate, seconds, "-n")),
        ]
    return found


def _nbspy(pid: int, rate: float, seconds: float, *options: str) -> Recording:
    with tempfile.TemporaryDirectory() as folder:
        stats_file = Path(folder, "stats.json")
        command = [sys.executable, "-m", "nbspy", "record", "-p", str(pid), "-r", str(rate), "-d", str(seconds)]
        command += ["-f", "collapsed", "-o", str(Path(folder, "out.txt")), "--stats", str(stats_file), *options]
        cost = run(command)
        stats = json.loads(stats_file.read_text())
    return Recording(cost, stats["samples"], stats["cpu_ns"] / 1e9, stats)


def _pyspy(program: str, pid: int, rate: float, seconds: float, *options: str) -> Recording:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "out.txt")
        command = [program, "record", "-p", str(pid), "-r", str(int(rate)), "-d", str(max(1, int(seconds)))]
        cost = run([*command, "-f", "raw", "-o", str(output), *options])
    match = re.search(r"Samples: (\d+)", cost.output)
    if match is None:
        raise RuntimeError(f"py-spy did not say how many samples it took: {cost.output[-300:]}")
    return Recording(cost, int(match[1]), cost.cpu_s, {})
