"""The recordings that sessions leave behind: where they lie, how long they stay, which there are.

Each session's sampler writes its stream to a file as it goes (:mod:`nbspy.sampling.recording`), so that a kernel that
dies takes nothing with it. :func:`nbspy.load` opens them. They lie in ``nbspy/recordings`` below the user's cache
folder (``$XDG_CACHE_HOME``, ``~/.cache``; macOS ``~/Library/Caches``; Windows ``%LOCALAPPDATA%``), readable by their
owner alone, and are named by time and pid: nothing that a target says gets into a file name.
"""

from __future__ import annotations

import contextlib
import enum
import os
import re
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nbspy import wire
from nbspy.errors import NbspyError, StreamError
from nbspy.host import host
from nbspy.plain_text import printable
from nbspy.table import Column, Table

MAX_FILE_BYTES: Final = 256 << 20
MAX_TOTAL_BYTES: Final = 1 << 30
MAX_AGE_S: Final = 14 * 24 * 3600.0
_IN_USE_S: Final = 60.0
"""A file that was written to this recently is left alone, also where its lock cannot be seen."""
_NAME: Final = re.compile(r"\d{8}-\d{6}-\d{6}-pid\d+\.nbspy")
_CHUNK: Final = 1 << 20
_HELLO, _STATUS, _END = 0, 7, 8


class State(enum.StrEnum):
    """How a recording ended."""

    RUNNING = "running"
    """It is being written."""
    WHOLE = "whole"
    CUT = "cut"
    """Its sampler was killed, or the disk was full: what is in it is good."""
    DAMAGED = "damaged"
    """Something else is in it: what comes before that can be loaded, if anything does."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One file."""

    path: Path
    pid: int
    command_line: str
    started_unix: float
    """Seconds since the epoch."""
    duration_ns: int
    size: int
    """Bytes."""
    state: State


def folder() -> Path:
    """Return where recordings lie; the folder may not be there yet. Raises NbspyError where there is no home."""
    try:
        base = host.cache_folder()
    except RuntimeError as err:
        raise NbspyError("there is no home folder to keep recordings in", "set XDG_CACHE_HOME") from err
    return base / "nbspy" / "recordings"


def new_path(pid: int) -> Path:
    """Make room for a recording of process ``pid`` and return its path; there is no file there yet.

    Recordings that are too old, or too many, are removed first. Raises :class:`NbspyError` where none can be kept.
    """
    place = folder()
    try:
        _make_private(place)
        clean(place)
    except OSError as err:
        raise NbspyError(f"recordings cannot be kept in {place}: {err.strerror or err}") from err
    now = time.time_ns()
    moment = time.strftime("%Y%m%d-%H%M%S", time.localtime(now // 10**9))
    return place / f"{moment}-{now // 1000 % 10**6:06}-pid{pid}.nbspy"


def _make_private(place: Path) -> None:
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = place.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NbspyError(f"recordings cannot be kept in {place}: it is a link", "make it a folder of yours")
    problem = host.make_private(place)
    if problem:
        raise NbspyError(f"recordings cannot be kept in {place}: {problem}", "set XDG_CACHE_HOME")


def clean(place: Path, now: float | None = None) -> None:
    """Remove the recordings that are too old; then, while all together are too large, the oldest.

    One that is being written stays, and so does every file that is none of ours by its name.
    """
    now = time.time() if now is None else now
    files = []
    for path in place.iterdir():
        with contextlib.suppress(OSError):
            status = path.lstat()
            if _NAME.fullmatch(path.name) and stat.S_ISREG(status.st_mode):
                files.append((status.st_mtime, path, status.st_size))
    total = sum(size for _, _, size in files) + MAX_FILE_BYTES  # the one that is about to be written
    for written, path, size in sorted(files):
        if now - written <= MAX_AGE_S and total <= MAX_TOTAL_BYTES:
            return
        if now - written > _IN_USE_S and not in_use(path):
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size


def in_use(path: Path) -> bool:
    """True while a sampler writes the file: it holds a lock as long as it lives."""
    return host.is_written(path)


def append(path: Path, record: bytes) -> None:
    """Add a record of the kernel's own to a recording that its sampler writes; without effect where that fails.

    Both append whole records in one call each, which a local file system does not mix.
    """
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0))
        try:
            if os.fstat(file).st_size + len(record) > MAX_FILE_BYTES:
                return
            written = os.write(file, record)
            if written < len(record):
                os.ftruncate(file, os.lseek(file, 0, os.SEEK_CUR) - written)
        finally:
            os.close(file)


def remove(path: Path) -> None:
    """Remove the recording of a session that did not begin."""
    with contextlib.suppress(OSError):
        path.unlink()


def listing() -> list[Recording]:
    """Return the recordings that are there, the newest first; raises NbspyError where they cannot be listed."""
    place = folder()
    try:
        paths = sorted((path for path in place.iterdir() if _NAME.fullmatch(path.name)), reverse=True)
    except FileNotFoundError:
        return []
    except OSError as err:
        raise NbspyError(f"cannot list {place}: {err.strerror or err}") from err
    found = []
    for path in paths:
        with contextlib.suppress(OSError):  # it was removed meanwhile
            found.append(examine(path))
    return found


def examine(path: Path) -> Recording:
    """Return what a file says of itself, without making a profile of it; raises :class:`OSError`."""
    status = path.stat()
    scan = _Scan()
    try:
        with path.open("rb") as file:
            scan.read(lambda: file.read(_CHUNK))
        state = State.WHOLE if scan.end is not None and not scan.pending else State.CUT
    except StreamError:
        state = State.DAMAGED
    if state is not State.DAMAGED and in_use(path):
        state = State.RUNNING
    hello = scan.hello
    named = re.search(r"pid(\d+)", path.name)
    return Recording(
        path=path,
        pid=hello.pid if hello is not None else int(named[1]) if named is not None else 0,
        command_line=hello.command_line if hello is not None else "",
        started_unix=hello.started_unix_ns / 1e9 if hello is not None else status.st_mtime,
        duration_ns=scan.time_ns,
        size=status.st_size,
        state=state,
    )


class _Scan:
    """Goes through a file's records and decodes the few that tell of the whole."""

    def __init__(self) -> None:
        self.hello: wire.Hello | None = None
        self.end: wire.End | None = None
        self.time_ns = 0
        self.pending = 0

    def read(self, read: Callable[[], bytes]) -> None:
        """Read to the end; raises :class:`StreamError` where something else than a stream is there."""
        splitter = wire.FrameSplitter()
        while data := read():
            for body in splitter.feed(data):
                if body[1:2] and body[1] in (_HELLO, _STATUS, _END):
                    self._take(wire.decode(body))
        self.pending = splitter.pending
        if self.hello is None and not self.pending:
            raise StreamError("there is no hello record")

    def _take(self, record: wire.AnyRecord | None) -> None:
        if isinstance(record, wire.Hello):
            self.hello = record
        elif isinstance(record, wire.Status):
            self.time_ns = max(self.time_ns, record.time_ns)
        elif isinstance(record, wire.End):
            self.end = record
            self.time_ns = max(self.time_ns, record.time_ns)


def table(found: list[Recording]) -> Table:
    """Return one row a recording."""
    rows = [
        (
            recording.path.name,
            str(recording.pid),
            _clock(recording.started_unix),
            f"{recording.duration_ns / 1e9:,.1f} s",
            f"{recording.size / 1024:,.0f} KiB",
            recording.state.value,
            printable(recording.command_line),
        )
        for recording in found
    ]
    columns = (
        Column("file"),
        Column("pid", number=True),
        Column("began"),
        Column("length", number=True),
        Column("size", number=True),
        Column("state"),
        Column("command", width=100),
    )
    return Table(f"Recordings in {folder()}" if rows else f"There are no recordings in {folder()}", columns, rows)


def _clock(unix: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix))
    except (OverflowError, ValueError, OSError):  # a damaged file may say anything
        return "?"
