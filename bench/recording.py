"""One recording by one contestant, and what the operating system says it cost.

CPU time is read from the kernel (``/proc/PID/task/*/schedstat``, nanoseconds) again and again while the command runs.
Only what it used while it certainly sampled counts, so that neither starting nor writing the output is part of the CPU
time of a sample. When that was is told by the contestant's own words, or by the end of the child process that samples
(:class:`bench.peers.Contestant`), and by how long it says it sampled. Where neither is to be had: a command that ran
for W seconds, S of them sampling, samples from W - S to S after its begin, however W - S is shared between start and
end. A command that would sample for longer than it was asked to is interrupted.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bench.case import NotMeasured
from bench.peers import Contestant, Sampled
from bench.programs import end_tree, is_stopped, launch, tree

POLL_S: Final = 0.05
_POLL_NS: Final = round(POLL_S * 1e9)
MARGIN_NS: Final = 50_000_000
"""Left out at both ends of what is certainly sampling."""
OVERTIME_S: Final = 1.0
"""What a command that does not keep to its duration is given beyond it."""
_FEWEST_LOOKS: Final = 6
PATIENCE_S: Final = 60.0
"""What a command may take beyond its duration."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a command at one moment."""

    time_ns: int
    all_ns: int
    """CPU time so far."""
    children_ns: int
    output_size: int
    """Bytes it had written to its standard output and error."""
    processes: int


@dataclass(slots=True)
class CpuLog:
    """CPU time of a process tree over time. Threads that ended count with what they last had."""

    looks: list[Look] = field(default_factory=list)
    peak_kb: int = 0
    _own: dict[str, int] = field(default_factory=dict)
    _children: dict[str, int] = field(default_factory=dict)

    def look(self, pid: int, output_size: int) -> None:
        processes = tree(pid)
        for process in processes:
            self._look_at(process, self._own if process == pid else self._children)
        children = sum(self._children.values())
        total = sum(self._own.values()) + children
        self.looks.append(Look(time.monotonic_ns(), total, children, output_size, len(processes)))

    def first_with(self, output_size: int) -> Look | None:
        """Return the first look at which so much had been written."""
        return next((look for look in self.looks if look.output_size >= output_size), None)

    def _look_at(self, process: int, by_thread: dict[str, int]) -> None:
        folder = f"/proc/{process}/task"
        try:
            for thread in os.listdir(folder):
                with open(f"{folder}/{thread}/schedstat") as file:
                    by_thread[thread] = int(file.read().split()[0])
            with open(f"/proc/{process}/status") as file:
                for line in file:
                    if line.startswith("VmHWM:"):
                        self.peak_kb = max(self.peak_kb, int(line.split()[1]))
        except (FileNotFoundError, ProcessLookupError):
            return  # it ended while it was looked at

    def within(self, begin_ns: int, end_ns: int) -> tuple[Look, Look]:
        """Return the first and the last look between the two times."""
        inside = [look for look in self.looks if begin_ns <= look.time_ns <= end_ns]
        if len(inside) < _FEWEST_LOOKS:
            raise NotMeasured("starting took so long that too little of the recording is certain: the machine is busy")
        return inside[0], inside[-1]


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a recording in which the command certainly sampled."""

    begin_ns: int
    """Monotonic time."""
    end_ns: int
    cpu_ns: int
    """CPU time of all processes of the command."""
    children_cpu_ns: int
    """The part of its child processes: nbspy's sampler is one."""
    samples: float
    """Taken in this time, if they were spread evenly."""

    def per_sample_us(self, cpu_ns: int) -> float:
        if not self.samples:
            raise NotMeasured("it took no samples")
        return cpu_ns / self.samples / 1e3


@dataclass(frozen=True, slots=True)
class Recording:
    """What one command recorded, and what that cost."""

    sampled: Sampled
    begun_ns: int
    """Monotonic time when the command was started, and when it had ended."""
    ended_ns: int
    log: CpuLog
    told: tuple[int, int] | None
    """From when to when it sampled, where that is known."""

    @property
    def peak_mb(self) -> float:
        """Most memory that one of its processes had resident."""
        return self.log.peak_kb / 1024

    @property
    def beyond_ms(self) -> float:
        """What the command took beyond the time that it sampled."""
        return (self.ended_ns - self.begun_ns) / 1e6 - self.sampled.seconds * 1e3

    def window(self) -> Window:
        """Return the part in which it certainly sampled; raises NotMeasured where that is too short."""
        sampling_ns = round(self.sampled.seconds * 1e9)
        slack_ns = self.ended_ns - self.begun_ns - sampling_ns
        begin_ns, end_ns = self.told or (self.begun_ns + slack_ns, self.begun_ns + sampling_ns)
        first, last = self.log.within(begin_ns + MARGIN_NS, end_ns - MARGIN_NS)
        length_s = (last.time_ns - first.time_ns) / 1e9
        return Window(
            first.time_ns,
            last.time_ns,
            last.all_ns - first.all_ns,
            last.children_ns - first.children_ns,
            self.sampled.samples / self.sampled.seconds * length_s,
        )


def told(one: Contestant, output: str, log: CpuLog, ended_ns: int, seconds: float) -> tuple[int, int] | None:
    """Return from when to when it sampled, as far as that is told; to the nearest look, inside."""
    begin_words, end_words = one.says
    begin, end = _look_with(log, output, begin_words), _look_with(log, output, end_words)
    if begin_words:
        last_ns = ended_ns if end is None else end.time_ns - _POLL_NS
        return None if begin is None else (begin.time_ns, last_ns)
    if one.child_samples:
        last = max((look.time_ns for look in log.looks if look.processes > 1), default=None)
    else:
        last = None if end is None else end.time_ns - _POLL_NS
    return None if last is None else (last + _POLL_NS - round(seconds * 1e9), last)


def _look_with(log: CpuLog, output: str, words: str) -> Look | None:
    """Return the first look at which ``words`` had been written."""
    place = output.find(words) if words else -1
    return log.first_with(len(output[:place].encode()) + 1) if place >= 0 else None


def record(
    contestant: Contestant, pid: int, *, rate: float, seconds: int, threads: int = 1, folder: Path | None = None
) -> Recording:
    """Let ``contestant`` sample ``pid``; its output stays in ``folder``, if one is given.

    Raises NotMeasured where it fails, or leaves the target stopped (which then runs on).
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = folder or Path(scratch)
        output, begun_ns, ended_ns, log = _run(contestant, pid, contestant.command(pid, rate, seconds, place), seconds)
        sampled = contestant.outcome(output, place, threads, seconds)
    when = told(contestant, output, log, ended_ns, sampled.seconds)
    if when is not None and contestant.says[0]:
        sampled = replace(sampled, seconds=(when[1] - when[0]) / 1e9)
    return Recording(sampled, begun_ns, ended_ns, log, when)


def _run(contestant: Contestant, pid: int, command: Sequence[str], seconds: float) -> tuple[str, int, int, CpuLog]:
    log = CpuLog()
    interrupted = False
    ended = threading.Event()
    ended_ns = 0

    def wait() -> None:
        nonlocal ended_ns
        process.wait()
        ended_ns = time.monotonic_ns()
        ended.set()

    with tempfile.TemporaryFile() as output:
        begun_ns = time.monotonic_ns()
        process = launch(command, output)
        watcher = threading.Thread(target=wait, daemon=True)
        watcher.start()
        try:
            while not ended.wait(POLL_S):
                log.look(process.pid, os.fstat(output.fileno()).st_size)
                late_s = time.monotonic() - begun_ns / 1e9 - seconds
                if contestant.says[0] and late_s > OVERTIME_S and not interrupted:
                    interrupted = True
                    process.send_signal(signal.SIGINT)
                if late_s > PATIENCE_S:
                    raise NotMeasured(f"it did not end within {PATIENCE_S:g} s after its time")
        finally:
            if not ended.is_set():
                end_tree(process.pid)
            watcher.join()
            left_stopped = is_stopped(pid)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if left_stopped:
        raise NotMeasured("it left the target stopped")
    check_end(process.returncode, text)
    return text, begun_ns, ended_ns, log


def check_end(status: int, output: str) -> None:
    """Raise NotMeasured where a command ended with a ``status`` that is not 0, with the end of what it said."""
    if status:
        last = [line for line in output.splitlines() if line.strip()][-3:]
        raise NotMeasured(f"it ended with {status}: {' '.join(last)}")
