"""Running targets and profilers, and what the operating system says they cost."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TARGETS = Path(__file__).parent / "targets"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one finished command cost: user + system time of it and its children, its output."""

    cpu_s: float
    wall_s: float
    max_rss_mb: float
    output: str


@contextmanager
def target(name: str, *arguments: str, python: str = sys.executable) -> Iterator[dict[str, Any]]:
    """Run a program of ``bench/targets`` while the block runs; gives what it announced."""
    process = subprocess.Popen(
        [python, str(TARGETS / name), *arguments], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        announced: dict[str, Any] = json.loads(process.stdout.readline())
        yield announced
    finally:
        process.kill()
        process.wait()


def run(command: Sequence[str], timeout_s: float = 120) -> Cost:
    """Run ``command`` to its end; raises RuntimeError with its output where it fails."""
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - started
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {text[-500:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, text)


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")
