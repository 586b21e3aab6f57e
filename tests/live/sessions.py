"""What live tests of sessions share: waiting for samples, and looking after the target."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import psutil

from nbspy.model.profile import Profile
from nbspy.session import Session

from .interpreters import Target

ENOUGH = 20
"""Samples after which a session has seen something of everything."""


def wait_for_samples(session: Session, wanted: int = ENOUGH) -> None:
    """Wait until so many more samples were taken."""
    wanted += session.sample_count
    while session.sample_count < wanted:
        assert session.running, session.error
        session.stream.wait_beyond(session.stream.size, timeout=1)


def check_counts(profile: Profile) -> None:
    """No sample is lost between the sampler's counters and the profile."""
    status = profile.status
    assert status is not None
    assert sum(profile.runs.count) == status.thread_samples > 0
    assert status.thread_samples >= status.samples


def check_totals(profile: Profile) -> None:
    """As :func:`check_counts`; and where threads are stopped, it is told for how long."""
    check_counts(profile)
    status = profile.status
    assert status is not None
    if profile.hello.blocking:
        assert 0 < status.stop_median_ns <= 2 * status.stop_p99_ns


def check_untraced(pid: int) -> None:
    """Nobody traces a thread of the process, and none stands."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended since
        assert re.search(r"^TracerPid:\s+0$", text, re.MULTILINE)
        assert re.search(r"^State:\s+[RSX]", text, re.MULTILINE), text


def check_unharmed(target: Target) -> None:
    """Nobody traces a thread of the target, none stands, and it makes progress."""
    check_untraced(target.pid)
    before = target.ask("counter")
    while target.ask("counter") == before:
        pass


def check_left_running(pid: int) -> None:
    """As :func:`check_unharmed`, of a process that nobody can ask: it is untraced, and uses its processor."""
    check_untraced(pid)
    process = psutil.Process(pid)
    before = process.cpu_times().user
    while process.cpu_times().user == before:
        assert process.is_running()
    check_untraced(pid)


def grown(before: Sequence[int], now: Sequence[int]) -> bool:
    """True where one of these counts is more than it was."""
    return any(one > other for one, other in zip(now, before, strict=True))


def function_names(profile: Profile) -> set[str]:
    return {row.name for row in profile.functions()}
