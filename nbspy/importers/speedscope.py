"""speedscope's own JSON: sampled and evented profiles; each is a thread.

What :mod:`nbspy.exporters.speedscope` has added in the member ``nbspy`` is taken back: counts, states, ids. In others'
files a sample counts once, and every thread is active; a sample with an empty stack is a gap. Evented profiles have
no samples: each stretch between two events counts once. Units that are no time (bytes, none) become milliseconds,
one for one, and a notice says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from nbspy import wire
from nbspy.errors import StreamError
from nbspy.importers.source import Importer, parsed_json, short_file
from nbspy.model.assembly import Assembler, foreign_hello
from nbspy.model.builder import MAX_TIME_NS
from nbspy.model.profile import Profile
from nbspy.wire import State

_NS: Final = {"nanoseconds": 1, "microseconds": 1_000, "milliseconds": 1_000_000, "seconds": 1_000_000_000}
_NO_TIME: Final = {"none": 1_000_000, "bytes": 1_000_000}


class _Sample(NamedTuple):
    start_ns: float
    end_ns: float
    node: int
    """Node of the assembler; 0 for an empty stack."""


def read_speedscope(data: bytes) -> Profile:
    """Return the profile; raises :class:`StreamError` where the document is not as its schema says."""
    document = parsed_json(data)
    try:
        return _Reader(document).profile()
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError) as err:
        if isinstance(err, StreamError):
            raise
        raise StreamError(f"the speedscope file is not as its schema says: {err!r}") from err


class _Reader:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        own = document.get("nbspy")
        self._own: dict[str, Any] = own if isinstance(own, dict) else {}
        self._assembler = Assembler()
        self._frames = [self._frame(row) for row in document["shared"]["frames"]]
        self._notices: list[wire.Notice] = []

    def _frame(self, row: dict[str, Any]) -> int:
        file = str(row.get("file") or "")
        line = int(row.get("line") or 0)
        return self._assembler.frame(str(row["name"]), file, line, short_file=short_file(file))

    def profile(self) -> Profile:
        extras = self._own.get("profiles", [])
        intervals_ns = []
        for i, row in enumerate(self._document["profiles"]):
            intervals_ns.append(self._thread(row, extras[i] if i < len(extras) else {}))
        known = [ns for ns in intervals_ns if ns > 0]
        hello = foreign_hello(
            interval_ns=_bounded(self._own.get("interval_ns")) or min(known, default=10_000_000),
            pid=_bounded(self._own.get("pid")),
            command_line=str(self._document.get("name") or ""),
            started_unix_ns=_bounded(self._own.get("started_unix_ns")),
        )
        return self._assembler.profile(hello, notices=self._notices)

    def _thread(self, row: dict[str, Any], extra: dict[str, Any]) -> int:
        """Add one profile of the file, and return the median length of its samples in ns."""
        process = self._assembler.process(_bounded(extra.get("pid")), str(extra.get("command_line", "")))
        name = str(extra.get("thread_name", row.get("name") or ""))
        thread = self._assembler.thread(process, name, os_thread_id=_bounded(extra.get("os_thread_id")) or None)
        ns = self._unit_ns(str(row.get("unit", "none")))
        samples = self._sampled(row, ns) if row["type"] == "sampled" else self._evented(row, ns)
        counts, states = extra.get("counts"), extra.get("states")
        lengths_ns = []
        for i, sample in enumerate(samples):
            count = int(counts[i]) if counts is not None else int(bool(sample.node))
            if not count:
                continue
            state = int(states[i]) & 0xFF if states is not None else int(State.ACTIVE)
            start_us, end_us = round(sample.start_ns / 1000), round(sample.end_ns / 1000)
            weight_us = end_us - start_us
            self._assembler.run(thread, sample.node, start_us * 1000, state=state, count=count, weight_us=weight_us)
            lengths_ns.append(weight_us * 1000 // count)
        return sorted(lengths_ns)[len(lengths_ns) // 2] if lengths_ns else 0

    def _unit_ns(self, unit: str) -> int:
        if unit in _NS:
            return _NS[unit]
        text = f"The file counts in {unit if unit in _NO_TIME else 'a unit of its own'}: one is shown as 1 ms."
        if not any(notice.text == text for notice in self._notices):
            self._notices.append(wire.Notice(0, 0, text))
        return 1_000_000

    def _sampled(self, row: dict[str, Any], ns: int) -> Iterator[_Sample]:
        samples, weights = row["samples"], row["weights"]
        if len(samples) != len(weights):
            raise StreamError(f"the speedscope file has {len(samples)} samples with {len(weights)} weights")
        at_ns = _time(row["startValue"], ns)
        for stack, weight in zip(samples, weights, strict=True):
            end_ns = at_ns + _time(weight, ns)
            yield _Sample(at_ns, end_ns, self._assembler.stack(self._frames[_index(frame)] for frame in stack))
            at_ns = end_ns

    def _evented(self, row: dict[str, Any], ns: int) -> Iterator[_Sample]:
        calls: list[tuple[int, int]] = []  # (frame of the file, node)
        at_ns = _time(row["startValue"], ns)
        for event in row["events"]:
            node = calls[-1][1] if calls else 0
            now_ns, frame = _time(event["at"], ns), _index(event["frame"])
            if now_ns < at_ns:
                raise StreamError("the speedscope file has events that are not in the order of time")
            if now_ns > at_ns:
                yield _Sample(at_ns, now_ns, node)
                at_ns = now_ns
            if event["type"] == "O":
                calls.append((frame, self._assembler.node(node, self._frames[frame])))
            elif not calls or calls.pop()[0] != frame:
                raise StreamError("the speedscope file ends a call that is not the innermost")


def _index(frame: object) -> int:
    if isinstance(frame, bool) or not isinstance(frame, int) or frame < 0:
        raise StreamError(f"the speedscope file has {frame!r} for a frame")
    return frame


def _bounded(value: object) -> int:
    """Return a number that says something about the file's origin; 0 where there is none, or none that can be."""
    return value if isinstance(value, int) and 0 < value <= MAX_TIME_NS else 0


def _time(value: object, ns: int) -> float:
    """Return a time of the file in nanoseconds: an int where the file has whole numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise StreamError(f"the speedscope file has {value!r} for a time")
    if not 0 <= value * ns <= MAX_TIME_NS:
        raise StreamError(f"the speedscope file has a time of {value:g}: out of range")
    return value * ns


def _looks_so(data: bytes) -> bool:
    return data[:64].lstrip().startswith(b"{") and b'"profiles"' in data and b'"shared"' in data


SPEEDSCOPE: Final = Importer("speedscope", _looks_so, read_speedscope)
