"""Makes small streams for tests from stacks written as text: ``"main;work"`` is the leaf ``work`` below ``main``."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nbspy import wire
from nbspy.model.builder import profile_from_stream
from nbspy.model.profile import Profile
from nbspy.wire import State

INTERVAL_NS = 10_000_000


@dataclass(frozen=True)
class Run:
    """One run: ``stack`` as ``name[@file.py][:line]`` joined by ``;``, root first; "" is an empty stack."""

    stack: str
    thread: int = 0
    start_us: int = 0
    count: int = 1
    state: int = int(State.ACTIVE)
    weight_us: int | None = None
    """None: the interval for each sample."""


def hello(**changes: object) -> wire.Hello:
    values: dict[str, object] = {
        "sequence": 1,
        "format": wire.FORMAT_VERSION,
        "nbspy_version": "0",
        "pid": 42,
        "command_line": "python demo.py",
        "python_version": "3.13.0",
        "free_threaded": False,
        "interval_ns": INTERVAL_NS,
        "clock_origin_ns": 5,
        "started_unix_ns": 7,
        "blocking": True,
    }
    return wire.Hello(**{**values, **changes})  # type: ignore[arg-type]


def status(**changes: int) -> wire.Status:
    return wire.Status(**{**dict.fromkeys(wire.Status.__struct_fields__, 0), **changes})


class StreamWriter:
    """Interns names, frames and nodes as a sampler does, and keeps the records."""

    def __init__(self, thread_names: Sequence[str] = ("MainThread",)) -> None:
        self.records: list[wire.Record] = [hello()]
        self._strings: dict[str, int] = {"": 0}
        self._frames: dict[tuple[str, str, int], int] = {}
        self._nodes: dict[tuple[int, int], int] = {}
        self._add(wire.Strings(self._next(), 0, [""]))
        self._add(wire.Processes(self._next(), [wire.ProcessRow(0, 42, 1, "python demo.py")]))
        rows = [wire.ThreadRow(i, 0, 1000 + i, 0xF000 + i, name, 0) for i, name in enumerate(thread_names)]
        self._add(wire.Threads(self._next(), rows))

    def _next(self) -> int:
        return len(self.records) + 1

    def _add(self, record: wire.Record) -> None:
        self.records.append(record)

    def _string(self, text: str) -> int:
        if text not in self._strings:
            self._add(wire.Strings(self._next(), len(self._strings), [text]))
            self._strings[text] = len(self._strings)
        return self._strings[text]

    def _frame(self, written: str) -> int:
        place, _, line = written.partition(":")
        name, _, file = place.partition("@")
        key = (name, file or "demo.py", int(line or 1))
        if key not in self._frames:
            _, file, line_number = key
            texts = (name.split(".")[-1], name, "/src/" + file, file, "")
            u32 = [array("I", [self._string(text)]).tobytes() for text in texts]
            i32 = [array("i", [value]).tobytes() for value in (line_number, 1)]
            self._add(wire.Frames(self._next(), len(self._frames), *u32, *i32, b"\0"))
            self._frames[key] = len(self._frames)
        return self._frames[key]

    def node(self, stack: str) -> int:
        parent = 0
        for written in stack.split(";") if stack else []:
            key = (parent, self._frame(written))
            if key not in self._nodes:
                columns = [array("I", [value]).tobytes() for value in key]
                self._add(wire.Nodes(self._next(), len(self._nodes) + 1, *columns))
                self._nodes[key] = len(self._nodes) + 1
            parent = self._nodes[key]
        return parent

    def add(self, runs: Iterable[Run]) -> StreamWriter:
        runs = list(runs)
        nodes = [self.node(run.stack) for run in runs]
        weights = [run.count * INTERVAL_NS // 1000 if run.weight_us is None else run.weight_us for run in runs]
        u32 = [
            array("I", values).tobytes()
            for values in ([run.start_us for run in runs], [run.thread for run in runs], nodes)
        ]
        state = bytes(run.state for run in runs)
        last = [array("I", values).tobytes() for values in ([run.count for run in runs], weights)]
        self._add(wire.Samples(self._next(), 0, *u32, state, *last))
        return self

    def stream(self) -> bytes:
        return wire.MAGIC + b"".join(map(wire.encode, self.records))

    def profile(self) -> Profile:
        return profile_from_stream(self.stream())


def profile_of(*runs: Run, threads: Sequence[str] = ("MainThread",)) -> Profile:
    return StreamWriter(threads).add(runs).profile()
