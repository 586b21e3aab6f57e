"""The columns of a profile: strings, frames, call-tree nodes, threads, processes, and runs of samples.

Columns only grow. A snapshot shares them and remembers how long they were, so taking one costs nothing; whoever
iterates over a column that may still grow takes a slice first.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Final

from nbspy.wire import BESIDE_WORDS, State

NO_FRAME: Final = 0xFFFF_FFFF
"""Frame id of node 0, the root, which has no frame."""


def _u32() -> array[int]:
    return array("I")


def _i32() -> array[int]:
    return array("i")


def _u8() -> array[int]:
    return array("B")


def _u64() -> array[int]:
    return array("Q")


@dataclass(slots=True)
class FrameColumns:
    """One row a frame: a function at a line. The first five are string ids."""

    name: array[int] = field(default_factory=_u32)
    qualname: array[int] = field(default_factory=_u32)
    file: array[int] = field(default_factory=_u32)
    short_file: array[int] = field(default_factory=_u32)
    module: array[int] = field(default_factory=_u32)
    line: array[int] = field(default_factory=_i32)
    """0 where it is unknown."""
    first_line: array[int] = field(default_factory=_i32)
    flags: array[int] = field(default_factory=_u8)

    def __len__(self) -> int:
        return len(self.flags)


@dataclass(slots=True)
class NodeColumns:
    """One row a node of the call tree; a parent's id is below its children's. Row 0 is the root."""

    parent: array[int] = field(default_factory=lambda: array("I", [0]))
    frame: array[int] = field(default_factory=lambda: array("I", [NO_FRAME]))

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(slots=True)
class RunColumns:
    """One row a run: ``count`` consecutive samples of a thread with one leaf node and one state."""

    start_ns: array[int] = field(default_factory=_u64)
    thread: array[int] = field(default_factory=_u32)
    node: array[int] = field(default_factory=_u32)
    state: array[int] = field(default_factory=_u8)
    """Bits of :class:`nbspy.wire.State`."""
    count: array[int] = field(default_factory=_u32)
    weight_us: array[int] = field(default_factory=_u32)
    """Time from the run's first sample to the first sample after the run, in microseconds."""

    def __len__(self) -> int:
        return len(self.weight_us)

    def head(self, length: int) -> RunColumns:
        """Return a copy of the first ``length`` rows, which nothing appends to."""
        return RunColumns(
            self.start_ns[:length],
            self.thread[:length],
            self.node[:length],
            self.state[:length],
            self.count[:length],
            self.weight_us[:length],
        )


@dataclass(slots=True)
class Tables:
    """What samples refer to by id."""

    strings: list[str] = field(default_factory=lambda: [""])
    frames: FrameColumns = field(default_factory=FrameColumns)
    nodes: NodeColumns = field(default_factory=NodeColumns)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of what only grows is meant: lengths."""

    strings: int
    frames: int
    nodes: int
    threads: int
    processes: int
    notices: int


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """One process of the profile."""

    id: int
    pid: int
    parent_pid: int
    command_line: str
    started_ns: int = 0
    """When sampling it began."""
    ended_ns: int | None = None
    """When it was found to have ended, or to have become another program; None while it was there."""
    python_version: str = ""
    """ "" where it is not known."""


@dataclass(frozen=True, slots=True)
class ThreadInfo:
    """One thread of the profile."""

    id: int
    """Dense id inside the profile."""
    process: ProcessInfo
    os_thread_id: int | None
    thread_id: int
    """``threading.get_ident()`` in the target."""
    name: str
    """ "" where the thread has no name."""
    interpreter: int

    @property
    def shown_id(self) -> str:
        """The OS thread id in decimal where it is known, else the Python thread id in hex, else a dash."""
        if self.os_thread_id is not None:
            return str(self.os_thread_id)
        return f"{self.thread_id:#X}" if self.thread_id else "-"

    @property
    def shown_name(self) -> str:
        """The name, or words with the id where there is none."""
        return self.name or f"thread {self.shown_id}"


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """A function at a line, with its names looked up."""

    name: str
    """The qualified name where the interpreter keeps it, else the plain one."""
    file: str
    """As compiled into the code object."""
    short_file: str
    """Below the outermost package; for a notebook's cell its label, such as ``In[3]``."""
    module: str
    line: int
    """0 where it is unknown."""
    first_line: int
    flags: int


def state_word(state: int) -> str:
    """Return the words for state bits: ``active+gil``, ``active``, ``gil-wait`` or ``idle``, and behind it those of
    ``gc``, ``exception`` and ``finalizing`` that apply, with spaces between."""
    if state & State.GIL:
        word = "active+gil"
    elif state & State.ACTIVE:
        word = "active"
    else:
        word = "gil-wait" if state & State.GIL_WAIT else "idle"
    return " ".join([word, *(beside for bit, beside in BESIDE_WORDS if state & bit)])
