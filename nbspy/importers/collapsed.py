"""Collapsed stacks: ``root;...;leaf count`` lines, as many tools write them.

Dialects differ in how a frame tells its place, and all of them are read:

- ``name (file:line)`` and ``name (file)``: nbspy and py-spy (its format ``raw``);
- ``file:name:line``: CPython 3.15's ``profiling.sampling --collapsed``;
- anything else is a name.

A first frame ``thread (TID): NAME`` (nbspy), ``thread (TID)`` (py-spy) or ``tid:TID`` (CPython) is the thread, and
``process PID:"COMMAND"`` before it (py-spy with ``--subprocesses``) the process. The format has no times: samples are
laid one after the other in the order of the file, 10 ms each, which the profile says in a notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from nbspy import wire
from nbspy.errors import StreamError
from nbspy.importers.source import Importer, short_file
from nbspy.model.assembly import Assembler, foreign_hello
from nbspy.model.profile import Profile
from nbspy.model.tables import ProcessInfo
from nbspy.wire import State

INTERVAL_US: Final = 10_000
# Every pattern below takes a time that grows with the text's length only: files come from anywhere.
_COUNT: Final = re.compile(r"[ \t]+(\d{1,19})[ \t]*$")
_THREAD: Final = re.compile(r"thread \((?:0[xX][0-9a-fA-F]+|\d+)\)(?:: (.*))?", re.DOTALL)
_TID: Final = re.compile(r"tid:(\d+)")
_PROCESS: Final = re.compile(r'process (\d+)(?::\s*"?(.*?)"?)?', re.DOTALL)
_QUOTED_PROCESS: Final = re.compile(r'process \d+:"[^\0]*?"(?=;thread \(|;[^;"\n]{1,500}\)(?:;|$)|$)')
"""py-spy's process: its command line may have anything in it, so it ends where a thread or a frame begins."""
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]+|\d+")
_BROKEN: Final = "process "
"""py-spy writes command lines as they are: one with line breaks goes on in the next lines."""
_MAX_BROKEN: Final = 1000
_MAX_ID: Final = (1 << 63) - 1


def read_collapsed(data: bytes) -> Profile:
    """Return the profile of the lines in ``data``; raises :class:`StreamError` with the number of a bad line."""
    reader = _Reader()
    for number, frames, count in _stacks(data):
        try:
            reader.add(frames, count)
        except StreamError as err:
            raise StreamError(f"line {number} of the collapsed stacks: {err.message}") from err
    return reader.profile()


def _stacks(data: bytes) -> Iterator[tuple[int, list[str], int]]:
    """Yield (line number, frames, count)."""
    try:
        text = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as err:
        raise StreamError(f"no collapsed stacks: byte {err.start} is no UTF-8") from err
    begun: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if not begun and (not line.strip() or line.startswith("#")):
            continue
        counted = _COUNT.search(line)
        if counted is None or (begun and ";" not in line):
            begun.append(line)
            if not begun[0].startswith(_BROKEN) or len(begun) > _MAX_BROKEN:
                raise StreamError(f"line {number} is no collapsed stack: it does not end with a count")
            continue
        stack = "\n".join([*begun, line[: counted.start()]])
        begun.clear()
        if count := int(counted[1]):
            yield number, _split(stack), count
    if begun:
        raise StreamError("the collapsed stacks are cut short: the last one does not end with a count")


def _split(stack: str) -> list[str]:
    """Return the frames of a stack; a process's command line may have separators in it."""
    process = _QUOTED_PROCESS.match(stack) if stack.startswith(_BROKEN) else None
    if process is None:
        return stack.split(";")
    return [process[0], *stack[process.end() + 1 :].split(";")]


class _Reader:
    def __init__(self) -> None:
        self._assembler = Assembler()
        self._threads: dict[tuple[int, str], int] = {}
        self._ends_ns: dict[int, int] = {}
        self._frames: dict[str, int] = {}

    def add(self, frames: list[str], count: int) -> None:
        """Add a stack, root first; its leading frames may be a process and a thread."""
        process, rest = self._process(frames)
        thread, rest = self._thread(process, rest)
        node = self._assembler.stack([self._frame(text) for text in rest])
        start_ns = self._ends_ns.get(thread, 0)
        weight_us = count * INTERVAL_US
        self._assembler.run(thread, node, start_ns, state=int(State.ACTIVE), count=count, weight_us=weight_us)
        self._ends_ns[thread] = start_ns + weight_us * 1000

    def _process(self, frames: list[str]) -> tuple[ProcessInfo, list[str]]:
        found = _PROCESS.fullmatch(frames[0])
        if found is None or int(found[1]) > _MAX_ID:
            return self._assembler.process(0), frames
        return self._assembler.process(int(found[1]), found[2] or ""), frames[1:]

    def _thread(self, process: ProcessInfo, frames: list[str]) -> tuple[int, list[str]]:
        first = frames[0] if frames else ""
        found = _THREAD.fullmatch(first) or _TID.fullmatch(first)
        key = (process.id, first if found is not None else "")
        if key not in self._threads:
            number = _NUMBER.search(first) if found is not None else None
            value = int(number[0], 0 if "x" in number[0].lower() else 10) if number is not None else None
            name = found[1] if found is not None and found.re is _THREAD and found[1] else ""
            is_os_id = value is not None and value < 1 << 31
            self._threads[key] = self._assembler.thread(
                process,
                _unescaped(name) if found is not None else "all threads",
                os_thread_id=value if is_os_id else None,
                thread_id=value if value is not None and not is_os_id and value <= _MAX_ID else 0,
            )
        return self._threads[key], frames[1:] if found is not None else frames

    def _frame(self, text: str) -> int:
        known = self._frames.get(text)
        if known is None:
            name, file, line = _parts(_unescaped(text))
            known = self._frames[text] = self._assembler.frame(name, file, line, short_file=short_file(file))
        return known

    def profile(self) -> Profile:
        if not self._threads:
            raise StreamError("no collapsed stacks: there is no line with a stack and a count")
        text = "Read from collapsed stacks, which have no times: samples lie one after the other, 10 ms each."
        return self._assembler.profile(foreign_hello(interval_ns=INTERVAL_US * 1000), notices=[wire.Notice(0, 0, text)])


def _parts(frame: str) -> tuple[str, str, int]:
    """Return name, file and line of a frame; "" and 0 where it does not tell."""
    name, separator, place = frame.partition(" (")
    if separator and name and place.endswith(")"):
        file, colon, line = place[:-1].rpartition(":")
        return (name, file, int(line)) if colon and _is_line(line) else (name, place[:-1], 0)
    parts = frame.rsplit(":", 2)
    if len(parts) == 3 and parts[0] and parts[1] and _is_line(parts[2]):
        return parts[1], parts[0], int(parts[2])
    return frame, "", 0


def _is_line(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 11


def _unescaped(text: str) -> str:
    return text.replace("\\x3b", ";")


def looks_collapsed(data: bytes) -> bool:
    """Return whether the first line that is not empty ends with a count, or is a process's as py-spy writes it."""
    head = data[: 1 << 20].lstrip()
    if b"\0" in head:
        return False
    line = head.split(b"\n", 1)[0].rstrip(b"\r")
    return line.startswith((b"#", b"process ")) or re.search(rb"\S[ \t]+\d+[ \t]*$", line) is not None


COLLAPSED: Final = Importer("collapsed", looks_collapsed, read_collapsed)
