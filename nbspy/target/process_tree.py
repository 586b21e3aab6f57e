"""Processes as psutil shows them: command lines, parents, and which of them are Python.

psutil is imported when it is used: the sampler process does without.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import time
from dataclasses import dataclass

from nbspy.errors import ProcessNotFound, TargetEnded
from nbspy.stack_trace import ProcessInfo

_PYTHON_NAME = re.compile(r"^(?:i?python|pypy|uwsgi|gunicorn|uvicorn|celery|jupyter)[\d.t]*", re.IGNORECASE)
_VERSIONED = re.compile(r"python(\d\.\d+)")
_MAX_PARENTS = 64


@dataclass(frozen=True, slots=True)
class PythonProcess:
    """A process that looks like a Python one, by its executable and libraries."""

    pid: int
    command_line: str
    user: str
    started_unix: float
    """Seconds since the epoch."""
    cpu_percent: float | None
    """Share of one processor over its life, in percent; None where the system does not tell."""
    python_version: str | None
    """"3.12", from the executable's name; None where that does not tell."""


def process_info(pid: int) -> ProcessInfo:
    """Return the process and its chain of parents; raises ProcessNotFound."""
    import psutil

    try:
        chain = [psutil.Process(pid)]
        with contextlib.suppress(psutil.Error):
            chain += chain[0].parents()[:_MAX_PARENTS]
    except psutil.NoSuchProcess:
        raise ProcessNotFound(f"there is no process {pid}") from None
    info: ProcessInfo | None = None
    for process in reversed(chain):
        info = ProcessInfo(process.pid, _command_line(process), info)
    assert info is not None
    return info


def descendants(pid: int) -> list[int]:
    """Return the pids of the processes that ``pid`` has started, and those below them; parents before children."""
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def exists(pid: int) -> bool:
    """True while there is such a process and it is no zombie."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False


def arguments(pid: int) -> list[str]:
    """Return the arguments the process was started with, empty where they may not be known; raises TargetEnded."""
    import psutil

    try:
        return psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        raise TargetEnded(f"process {pid} has ended") from None
    except psutil.Error:
        return []


def identity(pid: int) -> object:
    """Return a value that changes when the process becomes another program; raises TargetEnded."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.exe(), process.create_time()
    except psutil.AccessDenied:
        return "", 0.0
    except psutil.Error:
        raise TargetEnded(f"process {pid} has ended") from None


def program_and_user(pid: int) -> tuple[str, int | None]:
    """Return the path of the program and the number of its user, "" and None for what may not be known."""
    import psutil

    program, user = "", None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        uids = getattr(process, "uids", None)  # not on Windows
        user = None if uids is None else uids().effective
        program = process.exe()
    return program, user


def user_names(pid: int) -> tuple[str, str]:
    """Return the names of the process's user and of ours, "" for what may not be known."""
    import psutil

    own = psutil.Process().username()
    try:
        return psutil.Process(pid).username(), own
    except psutil.Error:
        return "", own


def _command_line(process: object) -> str:
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        return shlex.join(process.cmdline()) or f"[{process.name()}]"
    except psutil.Error:
        return ""


def python_processes() -> list[PythonProcess]:
    """Return the Python processes that we can see, newest first."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                entry = _python_process(process)
        except psutil.Error:
            continue
        if entry is not None:
            found.append(entry)
    return sorted(found, key=lambda entry: entry.started_unix, reverse=True)


def _python_process(process: object) -> PythonProcess | None:
    import psutil

    assert isinstance(process, psutil.Process)
    if process.status() == psutil.STATUS_ZOMBIE:
        return None
    try:
        executable = process.exe()
    except psutil.AccessDenied:
        executable = ""
    base = re.split(r"[/\\]", executable)[-1] or process.name()
    if not _PYTHON_NAME.match(base):
        return None
    version = _VERSIONED.search(base) or _VERSIONED.search(executable)
    started = process.create_time()
    times = process.cpu_times()
    age = max(time.time() - started, 1e-3)
    return PythonProcess(
        pid=process.pid,
        command_line=_command_line(process),
        user=process.username(),
        started_unix=started,
        cpu_percent=100.0 * (times.user + times.system) / age,
        python_version=version[1] if version else None,
    )


class PsutilProcessWatch:
    """Implements :class:`~nbspy.target.process.ProcessWatch` wherever psutil runs."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def poll(self) -> dict[int, int] | None:
        import psutil

        present = set(psutil.pids())
        new = present - self._known
        self._known = present
        parents: dict[int, int] = {}
        for pid in new:
            with contextlib.suppress(psutil.Error):
                parents[pid] = psutil.Process(pid).ppid()
        return parents or None

    def is_alive(self, pid: int) -> bool:
        import psutil

        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False
