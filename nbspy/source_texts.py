"""The source of the functions that a session sees: the explorer shows it line by line.

Files are read here, in the kernel. Where an explorer is live, they are sent along while the session runs
(:class:`SessionSources`); else they are read when a profile is written in a format that holds them
(:class:`LateSources`). What is read stays in the recording, in the page and in the saved notebook. So it is bounded: of
each function its own lines, and of all no more than a few hundred kB.
Names of files come from the target: only regular files called ``.py`` are read (:mod:`nbspy.target.source_lines`).
"""

from __future__ import annotations

import linecache
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbspy import wire
from nbspy.errors import NbspyError
from nbspy.model.encoding import stretches
from nbspy.model.profile import Profile
from nbspy.plain_text import printable
from nbspy.target import open_target
from nbspy.target.source_lines import SourceLines

if TYPE_CHECKING:
    from nbspy.session import Session

MAX_LETTERS: Final = 400_000
"""Of all files of a session."""
MAX_FUNCTION_LINES: Final = 400
_LINE_LETTERS: Final = 400
_AROUND_LINES: Final = 30
"""Lines of a module or a cell that are sent before and after each one seen: it has no end of its own."""
_INTERVAL_S: Final = 2.0
_NOTICES: Final = 3

LinesOf = Callable[[str], Sequence[str]]
"""File name, as the target has it -> its lines; none where it cannot be read."""


def function_lines(lines: Sequence[str], first_line: int, seen: Iterable[int]) -> range:
    """Return the numbers of the lines of the function that begins at ``first_line`` and was seen at ``seen``.

    Its end is where a line stands no further in than its head; it is never before the last line that was seen.
    """
    last_seen = max(seen, default=first_line)
    if not 0 < first_line <= len(lines):
        return range(0)
    head = lines[first_line - 1]
    indent = _indent(head)
    last, in_body = last_seen, False
    for number in range(first_line + 1, min(len(lines), first_line + MAX_FUNCTION_LINES) + 1):
        text = lines[number - 1]
        if not text.strip():
            continue
        deeper = _indent(text) > indent
        if in_body and not deeper and number > last_seen and text.strip()[0] not in ")]}":
            break
        in_body |= deeper
        if deeper:
            last = max(last, number)
    return range(first_line, min(last, len(lines), first_line + MAX_FUNCTION_LINES) + 1)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


class SourceTexts:
    """Collects the lines that a growing profile is still without. Not for two threads at once."""

    def __init__(self, lines_of: LinesOf) -> None:
        self._lines_of = lines_of
        self._frames = 0
        self._letters = 0
        self._sent: dict[str, set[int]] = {}
        self._known: dict[str, Sequence[str]] = {}

    def collect(self, profile: Profile) -> list[tuple[str, int, str]]:
        """Return the lines of the functions that are new in ``profile``, as rows of a sources record."""
        seen: dict[tuple[str, int, bool], set[int]] = {}
        frames, strings = profile.tables.frames, profile.tables.strings
        length = len(frames)
        for frame in range(self._frames, length):
            whole = strings[frames.name[frame]] == "<module>"
            key = (strings[frames.file[frame]], frames.first_line[frame], whole)
            seen.setdefault(key, set()).add(frames.line[frame])
        self._frames = length
        rows: list[tuple[str, int, str]] = []
        for (file, first_line, whole), numbers in seen.items():
            rows += self._rows(file, first_line, whole, numbers)
        return rows

    def _rows(self, file: str, first_line: int, whole: bool, seen: set[int]) -> list[tuple[str, int, str]]:
        lines = self._known.get(file)
        if lines is None:
            lines = self._known[file] = self._lines_of(file)
        if whole:
            around = (range(max(1, one - _AROUND_LINES), one + _AROUND_LINES + 1) for one in seen if one > 0)
            wanted = {number for numbers in around for number in numbers if number <= len(lines)}
        else:
            wanted = set(function_lines(lines, first_line, seen))
        wanted -= self._sent.get(file, set())
        texts = {number: lines[number - 1].rstrip("\r\n")[:_LINE_LETTERS] for number in wanted}
        letters = sum(len(text) + 1 for text in texts.values())
        if not texts or self._letters + letters > MAX_LETTERS:
            return []
        self._letters += letters
        self._sent.setdefault(file, set()).update(wanted)
        return stretches(file, texts)


class SessionSources:
    """Sends a session the source of what it sees, every few seconds from a thread of its own, and once at its end."""

    def __init__(self, session: Session) -> None:
        self._session = session
        resolve = resolver(session.pid, shares_our_files(session.pid))
        files = _Files(session.pid, _start_time(session.pid), resolve, session.add_notice)
        self._texts = SourceTexts(files.lines_of)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nbspy-sources", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> bytes:
        """Send what is still missing, and end the thread; return the records for which the stream had ended."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        return self.step()

    def step(self) -> bytes:
        """Send the source of the functions that are new since the last time; return what the stream did not take."""
        with self._lock:
            rows = self._texts.collect(self._session.profile)
            if not rows or self._session.add_sources(rows):
                return b""
            return wire.encode(wire.Sources(0, rows))

    def _run(self) -> None:
        while not self._stopped.wait(_INTERVAL_S) and self._session.running:
            self.step()


@dataclass(frozen=True, slots=True)
class LateSources:
    """Reads the source of what a session saw when somebody writes it: for sessions that no explorer shows."""

    pid: int
    shared: bool
    """Whether the target saw our files: asked while it ran, for it may have ended since."""

    def __call__(self, profile: Profile) -> tuple[dict[str, dict[int, str]], list[str]]:
        """Return the lines by file and number, and what is to be said of them."""
        notices: list[str] = []
        files = _Files(self.pid, profile.hello.started_unix_ns / 1e9, resolver(self.pid, self.shared), notices.append)
        sources: dict[str, dict[int, str]] = {}
        for file, first_line, text in SourceTexts(files.lines_of).collect(profile):
            sources.setdefault(file, {}).update(enumerate(text.split("\n"), first_line))
        return sources, notices


class _Files:
    """The files of one target; says so where one is newer than what runs."""

    def __init__(self, pid: int, began: float, resolve: Callable[[str], str], tell: Callable[[str], None]) -> None:
        """``began``: when the target, or its sampling, did, in seconds of the system's clock."""
        self._pid = pid
        self._began = began
        self._tell = tell
        self._notices = 0
        self._lines = SourceLines(resolve)

    def lines_of(self, file: str) -> Sequence[str]:
        if self._pid == os.getpid() and file in linecache.cache and not os.path.exists(file):
            return linecache.getlines(file)  # a cell of this notebook
        if not file.endswith(".py"):
            return ()
        lines = self._lines.lines(file)
        changed = self._lines.changed(file)
        if lines and changed > self._began and self._notices < _NOTICES:
            self._notices += 1
            self._tell(f"{printable(file, 200)} has changed since the process began: its source may not be what runs.")
        return lines


def shares_our_files(pid: int) -> bool:
    """Whether a process that runs sees the files that we see: not in a container, nor after a change of its root."""
    if pid == os.getpid():
        return True
    try:
        target = open_target(pid)
    except NbspyError:
        return True
    try:
        return os.path.samestat(os.stat("/"), os.stat(target.resolve_path("/")))
    except OSError:
        return False
    finally:
        target.close()


def resolver(pid: int, shared: bool) -> Callable[[str], str]:
    """Return what says where a file of the target lies for us: where it sees our files, also after it has ended."""
    try:
        target = open_target(pid)
    except NbspyError:
        return lambda path: path if shared and path.startswith("/") else ""
    resolve = target.resolve_path
    target.close()
    return lambda path: path if shared and path.startswith("/") else resolve(path)


def _start_time(pid: int) -> float:
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return time.time()
