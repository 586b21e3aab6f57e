"""The contestants: nbspy and its peers, each as a command that records a pid for a time at a rate.

All are asked for all threads, idle ones too: what is compared does the same work. Each one's target runs the newest
Python that it can read.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bench.case import NotMeasured
from bench.pythons import Version, by_version, target_python

Frames = list[tuple[str, int]]
"""(function, line), root first."""
_OUTPUT: Final = "stacks.txt"
_AUSTIN_NEWEST: Final = (3, 13)
_START_TIMEOUT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a contestant says it did."""

    samples: int
    """Instants, not threads."""
    seconds: float
    discarded: int = 0
    """Instants that were looked at and not kept."""
    late: int | None = None
    """Samples taken later than they were due; None where it does not say."""
    thread_samples: int | None = None
    attach_ms: float | None = None
    """From the request to the first sample."""
    stop_us: tuple[float, float] | None = None
    """Median and p99 of how long the target was kept standing, where it was."""
    stops: int | None = None
    """How often it was."""
    stopped_ns: int | None = None
    """How long in all."""
    sampler_cpu_us: float | None = None
    """CPU time of the process that samples, for each sample, starting included."""


class Contestant(Protocol):
    """A profiler in one of its modes."""

    @property
    def name(self) -> str: ...
    @property
    def blocking(self) -> bool: ...
    @property
    def newest(self) -> Version | None:
        """The newest version it reads; None: all."""
        ...

    @property
    def says(self) -> tuple[str, str]:
        """What it writes when sampling begins, and when it is over; "" where it says nothing at that moment.

        One that says when it begins does not keep to the duration it is asked for.
        """
        ...

    @property
    def child_samples(self) -> bool:
        """True where a child process does the sampling, and ends with it."""
        ...

    def version(self) -> str: ...
    def command(self, pid: int, rate: float, seconds: int, folder: Path) -> list[str]: ...
    def outcome(self, output: str, folder: Path, threads: int, seconds: int) -> Sampled: ...
    def stacks(self, folder: Path) -> Iterator[tuple[Frames, int]]:
        """Yield what was recorded into ``folder``: each distinct stack and how often it was seen."""
        ...


def python_for(contestant: Contestant) -> str:
    return target_python(contestant.newest)


@dataclass(frozen=True, slots=True)
class Nbspy:
    """This repository's profiler: the whole command, which is the sampler and the process that keeps the profile."""

    name: str
    blocking: bool
    newest: Version | None = None
    says: tuple[str, str] = ("", "")
    child_samples: bool = True

    def version(self) -> str:
        import nbspy

        return f"{nbspy.__version__}, Python {sys.version.split()[0]}"

    def command(self, pid: int, rate: float, seconds: int, folder: Path) -> list[str]:
        command = [sys.executable, "-m", "nbspy", "record", "-p", str(pid), "-r", str(rate), "-d", str(seconds)]
        command += ["--idle", "--no-recording", "-f", "collapsed", "-o", str(folder / _OUTPUT)]
        return [*command, "--stats", str(folder / "stats.json"), *([] if self.blocking else ["--nonblocking"])]

    def outcome(self, output: str, folder: Path, threads: int, seconds: int) -> Sampled:
        stats = json.loads((folder / "stats.json").read_text())
        stop = stats["stop_ns"]
        samples = stats["samples"]
        return Sampled(
            samples,
            stats["wall_ns"] / 1e9,
            discarded=stats["discarded"],
            late=stats["late"],
            thread_samples=stats["thread_samples"],
            attach_ms=stats["attach_ns"] / 1e6,
            stop_us=(stop["median"] / 1e3, stop["p99"] / 1e3) if stop["count"] else None,
            stops=stop["count"],
            stopped_ns=stop["total"],
            sampler_cpu_us=stats["cpu_ns"] / max(samples, 1) / 1e3,
        )

    def stacks(self, folder: Path) -> Iterator[tuple[Frames, int]]:
        return _called(folder / _OUTPUT)


@dataclass(frozen=True, slots=True)
class PySpy:
    """py-spy from PyPI."""

    name: str
    blocking: bool
    program: str
    newest: Version | None = None
    says: tuple[str, str] = ("Sampling process", "Wrote ")
    """It takes as many samples as the time asked for has, however long each of them takes."""
    child_samples: bool = False

    def version(self) -> str:
        return _first_line([self.program, "--version"])

    def command(self, pid: int, rate: float, seconds: int, folder: Path) -> list[str]:
        command = [self.program, "record", "-p", str(pid), "-r", str(round(rate)), "-d", str(seconds), "--idle"]
        return [*command, "-f", "raw", "-o", str(folder / _OUTPUT), *([] if self.blocking else ["--nonblocking"])]

    def outcome(self, output: str, folder: Path, threads: int, seconds: int) -> Sampled:
        samples, errors = _found(r"Samples: (\d+) Errors: (\d+)", output)
        # It counts threads.
        return Sampled(round(int(samples) / threads), seconds, int(errors), thread_samples=int(samples))

    def stacks(self, folder: Path) -> Iterator[tuple[Frames, int]]:
        return _called(folder / _OUTPUT)


@dataclass(frozen=True, slots=True)
class ProfilingSampling:
    """``profiling.sampling`` of the standard library, which reads processes of its own version alone."""

    name: str
    blocking: bool
    python: str
    newest: Version | None = None
    says: tuple[str, str] = ("", "Captured ")
    child_samples: bool = False

    def version(self) -> str:
        return _first_line([self.python, "--version"])

    def command(self, pid: int, rate: float, seconds: int, folder: Path) -> list[str]:
        command = [self.python, "-u", "-m", "profiling.sampling", "attach", "-r", str(round(rate)), "-d", str(seconds)]
        command += ["-a", "--collapsed", "-o", str(folder / _OUTPUT), *(["--blocking"] if self.blocking else [])]
        return [*command, str(pid)]

    def outcome(self, output: str, folder: Path, threads: int, seconds: int) -> Sampled:
        samples, length = _found(r"Captured (\d+) samples in ([\d.]+) seconds", output)
        (percent,) = _found(r"Error rate: ([\d.]+)", output)
        taken = int(samples)
        # "samples" has those that failed, too.
        discarded = round(taken * float(percent) / 100)
        return Sampled(taken - discarded, float(length), discarded)

    def stacks(self, folder: Path) -> Iterator[tuple[Frames, int]]:
        return _colons(folder / _OUTPUT)


@dataclass(frozen=True, slots=True)
class Austin:
    """Austin from PyPI (``austin-dist``): writes every sample, and stops nothing."""

    name: str
    program: str
    blocking: bool = False
    newest: Version | None = _AUSTIN_NEWEST
    says: tuple[str, str] = ("", "")
    child_samples: bool = False

    def version(self) -> str:
        return _first_line([self.program, "--version"])

    def command(self, pid: int, rate: float, seconds: int, folder: Path) -> list[str]:
        command = [self.program, "-p", str(pid), "-i", f"{max(1, round(1e6 / rate))}us", "-x", str(seconds)]
        return [*command, "-o", str(folder / _OUTPUT)]

    def outcome(self, output: str, folder: Path, threads: int, seconds: int) -> Sampled:
        failed, _ = _found(r"Error rate\D*(\d+)/(\d+)", re.sub(r"\x1b\[[\d;]*m", "", output))
        with (folder / _OUTPUT).open(errors="replace") as file:
            samples = sum(line.startswith("P") for line in file)
        return Sampled(round(samples / threads), seconds, round(int(failed) / threads), thread_samples=samples)

    def stacks(self, folder: Path) -> Iterator[tuple[Frames, int]]:
        for frames, _ in _colons(folder / _OUTPUT):
            yield frames, 1  # what follows is the time in us


@functools.cache
def contestants() -> tuple[tuple[Contestant, ...], tuple[str, ...]]:
    """Return the contestants, nbspy first, and a line about each peer that is not here."""
    found: list[Contestant] = [Nbspy("nbspy", True), Nbspy("nbspy --nonblocking", False)]
    missing: list[str] = []
    pyspy = _program("py-spy")
    if pyspy:
        found += [PySpy("py-spy", True, pyspy), PySpy("py-spy --nonblocking", False, pyspy)]
    else:
        missing.append("py-spy: not installed; pip install 'nbspy[bench]' (make bench does)")
    sampling = by_version().get((3, 15))
    if sampling is not None:
        found += [
            ProfilingSampling("profiling.sampling --blocking", True, sampling.path, (3, 15)),
            ProfilingSampling("profiling.sampling", False, sampling.path, (3, 15)),
        ]
    else:
        missing.append("profiling.sampling: no Python 3.15 on PATH, in pyenv or in NBSPY_TEST_PYTHONS")
    austin = _program("austin")
    if austin:
        try:
            _first_line([austin, "--version"])
            found.append(Austin("austin", austin))
        except (NotMeasured, OSError, subprocess.SubprocessError) as err:
            missing.append(f"austin: is installed but does not run: {err}")
    else:
        missing.append("austin: not installed; pip install 'nbspy[bench]' (make bench does)")
    return tuple(found), tuple(missing)


def counterpart(contestant: Contestant) -> str:
    """Return the mode of nbspy that does what ``contestant`` does: what its ratios are to."""
    if contestant.name.startswith("nbspy"):
        return ""
    return "nbspy" if contestant.blocking else "nbspy --nonblocking"


def _program(name: str) -> str | None:
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_START_TIMEOUT_S, check=False)
    if done.returncode:
        raise NotMeasured(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}")
    return (done.stdout or done.stderr).strip().splitlines()[0]


def _found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    if match is None:
        raise NotMeasured(f"its output has no {pattern!r}: {text.strip()[-200:]!r}")
    return match.groups()


def _called(path: Path) -> Iterator[tuple[Frames, int]]:
    """Read ``name (file:line);... count``."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        stack, _, count = line.rpartition(" ")
        yield [_called_frame(frame) for frame in stack.split(";")], int(count)


def _called_frame(text: str) -> tuple[str, int]:
    name, _, place = text.rpartition(" (")
    number = place.rpartition(":")[2].rstrip(")")
    return name, int(number) if number.isdecimal() else 0


def _colons(path: Path) -> Iterator[tuple[Frames, int]]:
    """Read ``thread;file:name:line;... count``; a frame without a name or line is no Python frame."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        stack, _, count = line.rpartition(" ")
        frames: Frames = []
        for frame in stack.split(";"):
            parts = frame.rsplit(":", 2)
            if len(parts) == 3 and parts[2].isdecimal():
                frames.append((parts[1], int(parts[2])))
        if frames and count.isdecimal():
            yield frames, int(count)
