"""Makes a profile from stacks that come from elsewhere: another profiler's file, or several profiles.

The :class:`Builder` folds what a sampler has interned; the :class:`Assembler` interns by itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Final

from nbspy import wire
from nbspy.errors import StreamError
from nbspy.model.builder import MAX_TIME_NS
from nbspy.model.profile import Profile
from nbspy.model.tables import FrameColumns, ProcessInfo, RunColumns, Tables, ThreadInfo

MAX_PARTS: Final = 1 << 16
"""A run longer than 32 bits of microseconds is held in parts; at most so many."""
_MAX_U32: Final = 0xFFFF_FFFF
_MAX_I32: Final = 0x7FFF_FFFF


class Assembler:
    """Takes processes, threads, frames and runs in any order; :meth:`profile` gives the profile of them."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._runs = RunColumns()
        self._strings: dict[str, int] = {"": 0}
        self._frames: dict[tuple[int, ...], int] = {}
        self._nodes: dict[tuple[int, int], int] = {}
        self._processes: dict[tuple[int, str], ProcessInfo] = {}
        self._threads: list[ThreadInfo] = []

    def process(
        self, pid: int, command_line: str = "", parent_pid: int = 0, *, python_version: str = ""
    ) -> ProcessInfo:
        """Return the process, the same for the same pid and command line."""
        known = self._processes.get((pid, command_line))
        if known is None:
            known = ProcessInfo(
                len(self._processes), pid, parent_pid, _encodable(command_line), python_version=python_version
            )
            self._processes[pid, command_line] = known
        return known

    def thread(
        self, process: ProcessInfo, name: str, *, os_thread_id: int | None, thread_id: int = 0, interpreter: int = 0
    ) -> int:
        """Add a thread, and return its id."""
        thread = ThreadInfo(len(self._threads), process, os_thread_id, thread_id, _encodable(name), interpreter)
        self._threads.append(thread)
        return thread.id

    def string(self, text: str) -> int:
        """Return the id of ``text``."""
        known = self._strings.get(text)
        if known is None:
            known = self._strings[text] = len(self._tables.strings)
            self._tables.strings.append(_encodable(text))
        return known

    def frame(
        self,
        name: str,
        file: str = "",
        line: int = 0,
        *,
        qualname: str = "",
        short_file: str = "",
        module: str = "",
        first_line: int = 0,
        flags: int = 0,
    ) -> int:
        """Return the id of a frame, the same for equal ones; a line that is no line becomes 0, which is unknown."""
        line, first_line = (n if 0 <= n <= _MAX_I32 else 0 for n in (line, first_line))
        texts = tuple(map(self.string, (name, qualname, file, short_file, module)))
        row = (*texts, line, first_line, flags & 0xFF)
        known = self._frames.get(row)
        if known is None:
            frames = self._tables.frames
            known = self._frames[row] = len(frames)
            for column, value in zip(_columns(frames), row, strict=True):
                column.append(value)
        return known

    def node(self, parent: int, frame: int) -> int:
        """Return the node of ``frame`` below the node ``parent`` (0: the root)."""
        known = self._nodes.get((parent, frame))
        if known is None:
            nodes = self._tables.nodes
            known = self._nodes[parent, frame] = len(nodes)
            nodes.parent.append(parent)
            nodes.frame.append(frame)
        return known

    def stack(self, frames: Iterable[int]) -> int:
        """Return the leaf node of a stack of frame ids, root first."""
        node = 0
        for frame in frames:
            node = self.node(node, frame)
        return node

    def run(self, thread: int, node: int, start_ns: int, *, state: int, count: int, weight_us: int) -> None:
        """Add ``count`` samples of a thread; raises :class:`StreamError` where a number is out of range.

        A weight above 32 bits is divided among several runs, the counts with it.
        """
        end_ns = start_ns + weight_us * 1000
        if not (0 <= start_ns <= end_ns <= MAX_TIME_NS and 0 < count <= _MAX_U32):
            raise StreamError(f"{count} samples at {start_ns} ns, for {weight_us} microseconds: out of range")
        parts = max(1, -(-weight_us // _MAX_U32))
        if parts > min(MAX_PARTS, count):
            raise StreamError(f"{count} samples of {weight_us} microseconds: out of range")
        runs = self._runs
        for part in range(parts):
            before_us, after_us = weight_us * part // parts, weight_us * (part + 1) // parts
            runs.start_ns.append(start_ns + before_us * 1000)
            runs.thread.append(thread)
            runs.node.append(node)
            runs.state.append(state)
            runs.count.append(count * (part + 1) // parts - count * part // parts)
            runs.weight_us.append(after_us - before_us)

    def profile(
        self,
        hello: wire.Hello,
        *,
        labels: Mapping[str, str] | None = None,
        status: wire.Status | None = None,
        end: wire.End | None = None,
        notices: Iterable[wire.Notice] = (),
    ) -> Profile:
        """Return the profile of what was added; nothing may be added after that."""
        return Profile(
            hello=hello,
            tables=self._tables,
            runs=self._runs,
            run_count=len(self._runs),
            threads=tuple(self._threads),
            processes=tuple(self._processes.values()),
            labels=labels,
            status=status,
            end=end,
            notices=tuple(notices),
        )


def _encodable(text: str) -> str:
    """Return ``text`` without lone surrogates, which a stream cannot hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _columns(frames: FrameColumns) -> tuple[array[int], ...]:
    return (
        frames.name,
        frames.qualname,
        frames.file,
        frames.short_file,
        frames.module,
        frames.line,
        frames.first_line,
        frames.flags,
    )


def foreign_hello(
    *, interval_ns: int = 10_000_000, pid: int = 0, command_line: str = "", started_unix_ns: int = 0
) -> wire.Hello:
    """Return the hello of a profile that no sampler of ours has made; 0 and "" stand for what is not known."""
    return wire.Hello(
        sequence=0,
        format=wire.FORMAT_VERSION,
        nbspy_version="",
        pid=pid,
        command_line=_encodable(command_line),
        python_version="",
        free_threaded=False,
        interval_ns=interval_ns,
        clock_origin_ns=0,
        started_unix_ns=started_unix_ns,
        blocking=False,
    )
