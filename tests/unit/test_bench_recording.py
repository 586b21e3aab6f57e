"""Which part of a recording counts: the benchmark's reading of when a command sampled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.case import NotMeasured
from bench.peers import Nbspy, ProfilingSampling, PySpy, Sampled
from bench.programs import die_with_parent, end_tree, is_stopped, target, tree
from bench.recording import CpuLog, Look, Recording, told

SECOND = 10**9


def log_of(seconds: float, *, child_until: float = 0.0, written: list[tuple[float, int]] | None = None) -> CpuLog:
    """A command that uses half a core from its begin at 0 s, looked at ten times a second."""
    log = CpuLog()
    for tenth in range(1, round(seconds * 10)):
        now = tenth / 10
        size = max((size for moment, size in written or [] if moment <= now), default=0)
        log.looks.append(Look(round(now * SECOND), round(now * SECOND / 2), 0, size, 2 if now <= child_until else 1))
    return log


def test_time_that_may_be_starting_or_ending_does_not_count() -> None:
    recording = Recording(Sampled(2000, 2.0), 0, 3 * SECOND, log_of(3), None)

    window = recording.window()

    assert (window.begin_ns, window.end_ns) == (1.1 * SECOND, 1.9 * SECOND)
    assert window.samples == pytest.approx(800)
    assert window.per_sample_us(window.cpu_ns) == pytest.approx(500)


def test_starting_for_too_long_is_no_figure() -> None:
    with pytest.raises(NotMeasured, match="busy"):
        Recording(Sampled(2000, 2.0), 0, 5 * SECOND, log_of(5), None).window()


def test_nbspy_samples_until_its_child_ends() -> None:
    log = log_of(9, child_until=8.0)

    assert told(Nbspy("nbspy", True), "", log, 9 * SECOND, 2.0) == pytest.approx((6.0 * SECOND, 8.0 * SECOND), abs=1e8)


def test_py_spy_says_when_it_begins_and_writes() -> None:
    output = "py-spy> Sampling process 1000 times a second\npy-spy> Wrote raw data"
    log = log_of(9, written=[(1.0, 46), (7.0, len(output))])

    begin, end = told(PySpy("py-spy", True, "py-spy"), output, log, 9 * SECOND, 2.0) or (0, 0)

    assert begin == SECOND
    assert 6.9 * SECOND <= end < 7 * SECOND


def test_profiling_sampling_says_when_it_is_over() -> None:
    contestant = ProfilingSampling("profiling.sampling", False, "python3.15")
    log = log_of(9, written=[(7.0, 30)])

    begin, end = told(contestant, "Captured 2000 samples in 2.00 s", log, 9 * SECOND, 2.0) or (0, 0)

    assert end - begin == pytest.approx(2 * SECOND, abs=1e8)
    assert end < 7 * SECOND


@pytest.mark.live
def test_targets_end_with_their_block_and_are_seen_to_run(tmp_path: Path) -> None:
    with target("work.py", tmp_path / "work", 5, 3, python=sys.executable) as program:
        assert not is_stopped(program.pid)
        assert tree(program.pid) == [program.pid]

    assert not Path(f"/proc/{program.pid}").exists()


@pytest.mark.live
def test_who_is_left_stopped_is_found_and_sent_on() -> None:
    process = subprocess.Popen(["sleep", "60"], preexec_fn=die_with_parent)
    try:
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        assert is_stopped(process.pid)
        assert not is_stopped(process.pid)
    finally:
        end_tree(process.pid)
        assert process.wait() == -signal.SIGKILL
