"""The Firefox Profiler's processed profile (profiler.firefox.com, or Firefox itself, opens it; nothing is sent).

The layout is version 48 of the processed format (docs-developer/CHANGELOG-formats.md of that project), which later
ones read. Times are milliseconds. A run of samples is two rows, its first and its last sample, weighted with the
counts. A row's category is the thread's state, so that the profiler's graph shows who held the GIL and who waited;
markers say the same as intervals. ``threadCPUDelta`` counts time in an active state as time on the CPU.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, BinaryIO, Final

from nbspy.exporters.chrometrace import thread_number
from nbspy.exporters.format import Exporter, with_states
from nbspy.model.call_tree import stack_of
from nbspy.model.intervals import Interval, ThreadIntervals, thread_intervals
from nbspy.model.profile import Profile
from nbspy.options import ContentOptions
from nbspy.wire import State

FORMAT_VERSION: Final = 30
PROCESSED_VERSION: Final = 48
_OTHER, _PYTHON, _IDLE, _RUNNING, _GIL, _GIL_WAIT, _GC = range(7)
_CATEGORIES: Final = (
    ("Other", "grey"),
    ("Python", "yellow"),
    ("Idle", "transparent"),  # the profiler knows it by this name, and leaves it out where it counts activity
    ("Running without the GIL", "blue"),
    ("Holds the GIL", "green"),
    ("Waits for the GIL", "orange"),
    ("Garbage collection", "purple"),
)
_LIBRARY: Final = 1
_INTERVAL_MARKER: Final = 1
_NO_ADDRESS: Final = -1
_MARKERS: Final[tuple[tuple[int, Callable[[int], bool]], ...]] = (
    (_GIL, lambda state: bool(state & State.GIL)),
    (_GIL_WAIT, lambda state: bool(state & State.GIL_WAIT)),
    (_GC, lambda state: bool(state & State.GC)),
)


def write_gecko(profile: Profile, stream: BinaryIO, options: ContentOptions) -> None:
    """Write ``profile`` to ``stream``, idle samples too."""
    part = with_states(profile, options)
    threads = [_Thread(part, of, options).document() for of in thread_intervals(part)]
    document = {"meta": _meta(profile), "libs": [], "pages": [], "threads": threads}
    stream.write(json.dumps(document, separators=(",", ":")).encode())


def _meta(profile: Profile) -> dict[str, Any]:
    hello = profile.hello
    return {
        "interval": hello.interval_ns / 1e6,
        "startTime": hello.started_unix_ns / 1e6,
        "startTimeAsClockMonotonicNanosecondsSinceBoot": hello.clock_origin_ns,
        "processType": 0,
        "product": hello.command_line or f"process {hello.pid}",
        "importedFrom": "nbspy",
        "platform": f"Python {hello.python_version}",
        "stackwalk": 0,
        "toolkit": "",
        "debug": False,
        "symbolicated": True,
        "version": FORMAT_VERSION,
        "preprocessedProfileVersion": PROCESSED_VERSION,
        "sampleUnits": {"time": "ms", "eventDelay": "ms", "threadCPUDelta": "ns"},
        "usesOnlyOneStackType": True,
        "doesNotUseFrameImplementation": True,
        "sourceCodeIsNotOnSearchfox": True,
        "extensions": {"id": [], "name": [], "baseURL": [], "length": 0},
        "categories": [{"name": name, "color": color, "subcategories": ["Other"]} for name, color in _CATEGORIES],
        "markerSchema": [
            {
                "name": "ThreadState",
                "display": ["marker-chart", "marker-table", "timeline-overview"],
                "chartLabel": "{marker.name}",
                "tooltipLabel": "{marker.name}",
                "tableLabel": "{marker.name}",
                "data": [],
            }
        ],
    }


class _Thread:
    """The tables of one thread, filled row by row."""

    def __init__(self, profile: Profile, of: ThreadIntervals, options: ContentOptions) -> None:
        self._profile, self._of, self._options = profile, of, options
        self._strings: dict[str, int] = {}
        self._resources: dict[int, int] = {}
        self._functions: dict[tuple[int, int, int, int], int] = {}
        self._frames: dict[tuple[int, int, int], int] = {}
        self._frame_rows: dict[tuple[int, int], int] = {}
        self._stacks: dict[tuple[int | None, int, int], int] = {}
        self._leaves: dict[tuple[int, int], int | None] = {}

    def document(self) -> dict[str, Any]:
        thread, profile = self._of.thread, self._profile
        samples, markers = self._samples(), self._markers()
        return {
            "processType": "default",
            "processName": thread.process.command_line or f"process {thread.process.pid}",
            "processStartupTime": 0,
            "processShutdownTime": None,
            "registerTime": self._of.intervals[0].start_ns / 1e6,
            "unregisterTime": None,
            "pausedRanges": [],
            "name": thread.shown_name,
            "isMainThread": thread.os_thread_id == thread.process.pid or len(profile.threads) == 1,
            "pid": str(thread.process.pid),
            "tid": thread_number(thread),
            "samples": samples,
            "markers": markers,
            **self._tables(),
        }

    def _string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))

    def _frame(self, frame_id: int, category: int) -> int:
        """Return the row of a frame of the profile in a category."""
        if (frame_id, category) not in self._frame_rows:
            frame, options = self._profile.frame(frame_id), self._options
            file = self._string(frame.file if options.full_filenames else frame.short_file)
            resource = self._resources.setdefault(self._string(frame.short_file), len(self._resources))
            key = (self._string(frame.name or "(no name)"), file, frame.first_line, resource)
            function = self._functions.setdefault(key, len(self._functions))
            line = 0 if options.nolineno else frame.first_line if options.function else frame.line
            row = self._frames.setdefault((function, line, category), len(self._frames))
            self._frame_rows[frame_id, category] = row
        return self._frame_rows[frame_id, category]

    def _stack(self, node: int, category: int) -> int | None:
        """Return the row of a node's stack whose leaf has the category; None for an empty stack."""
        if (node, category) not in self._leaves:
            row: int | None = None
            frames = stack_of(self._profile.tables.nodes, node)
            for depth, frame_id in enumerate(frames, 1):
                its_category = category if depth == len(frames) else _PYTHON
                key = (row, self._frame(frame_id, its_category), its_category)
                row = self._stacks.setdefault(key, len(self._stacks))
            self._leaves[node, category] = row
        return self._leaves[node, category]

    def _samples(self) -> dict[str, Any]:
        stack: list[int | None] = []
        time_ns, weight, cpu_ns = list[int](), list[int](), list[int]()
        running_ns = 0

        def add(row: int | None, at_ns: int, samples: int) -> None:
            stack.append(row)
            time_ns.append(at_ns)
            weight.append(samples)
            cpu_ns.append(running_ns)

        for i, one in enumerate(self._of.intervals):
            row = self._stack(one.node, category(one.state))
            add(row, one.start_ns, max(1, one.samples - 1))
            running_ns, length_ns = 0, one.end_ns - one.start_ns
            last_ns = length_ns * (one.samples - 1) // one.samples
            active = _is_active(one)
            if one.samples > 1:
                running_ns = last_ns if active else 0
                add(row, one.start_ns + last_ns, 1)
            running_ns = length_ns - last_ns if active else 0
            following = self._of.intervals[i + 1 : i + 2]
            if not following or following[0].start_ns - one.end_ns > self._of.joined_below_ns:
                add(None, one.end_ns, 0)
                running_ns = 0
        return {
            "stack": stack,
            "time": [ns / 1e6 for ns in time_ns],
            "weight": weight,
            "weightType": "samples",
            "threadCPUDelta": cpu_ns,
            "length": len(stack),
        }

    def _markers(self) -> dict[str, Any]:
        rows = [
            (start_ns, end_ns, category)
            for category, wanted in _MARKERS
            for start_ns, end_ns in self._of.stretches(wanted)
        ]
        rows.sort()
        return {
            "data": [{"type": "ThreadState"} for _ in rows],
            "name": [self._string(_CATEGORIES[category][0]) for _, _, category in rows],
            "startTime": [start_ns / 1e6 for start_ns, _, _ in rows],
            "endTime": [end_ns / 1e6 for _, end_ns, _ in rows],
            "phase": [_INTERVAL_MARKER] * len(rows),
            "category": [category for _, _, category in rows],
            "length": len(rows),
        }

    def _tables(self) -> dict[str, Any]:
        stacks, functions = len(self._stacks), len(self._functions)
        return {
            "stackTable": {
                "prefix": [prefix for prefix, _, _ in self._stacks],
                "frame": [frame for _, frame, _ in self._stacks],
                "category": [category for _, _, category in self._stacks],
                "subcategory": [0] * stacks,
                "length": stacks,
            },
            "frameTable": self._frame_table(),
            "funcTable": {
                "name": [name for name, _, _, _ in self._functions],
                "fileName": [file for _, file, _, _ in self._functions],
                "lineNumber": [first_line or None for _, _, first_line, _ in self._functions],
                "resource": [resource for _, _, _, resource in self._functions],
                "columnNumber": [None] * functions,
                "isJS": [False] * functions,
                "relevantForJS": [False] * functions,
                "length": functions,
            },
            "resourceTable": {
                "name": list(self._resources),
                "lib": [None] * len(self._resources),
                "host": [None] * len(self._resources),
                "type": [_LIBRARY] * len(self._resources),
                "length": len(self._resources),
            },
            "nativeSymbols": {"libIndex": [], "address": [], "name": [], "functionSize": [], "length": 0},
            "stringArray": list(self._strings),
        }

    def _frame_table(self) -> dict[str, Any]:
        length = len(self._frames)
        unknown = ("nativeSymbol", "innerWindowID", "implementation", "column")
        return {
            "func": [function for function, _, _ in self._frames],
            "line": [line or None for _, line, _ in self._frames],
            "address": [_NO_ADDRESS] * length,
            "inlineDepth": [0] * length,
            "category": [category for _, _, category in self._frames],
            "subcategory": [0] * length,
            **{column: [None] * length for column in unknown},
            "length": length,
        }


def category(state: int) -> int:
    """Return the category of a thread's state: what it does most particularly."""
    for bits, of_state in ((State.GC, _GC), (State.GIL, _GIL), (State.ACTIVE, _RUNNING), (State.GIL_WAIT, _GIL_WAIT)):
        if state & bits:
            return of_state
    return _IDLE


def _is_active(one: Interval) -> bool:
    return bool(one.state & (State.ACTIVE | State.GIL))


GECKO: Final = Exporter(
    "gecko", ".gecko.json", "for the Firefox Profiler: stacks, states, GIL and GC as markers", write_gecko
)
