"""pprof: protocol buffers as github.com/google/pprof's proto/profile.proto has them.

The value whose unit is ``count`` says how often, the first whose unit is a time how long. Where one is missing it
comes from the other and the sampling period. A heap profile has neither time nor period: its counts become samples
of 10 ms. The labels ``thread``, ``tid``, ``pid`` and ``process`` are taken where there are any. The format has no
times of day for samples: each thread's are laid one after the other, which the profile says in a notice.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from nbspy import wire
from nbspy.errors import StreamError
from nbspy.importers.protobuf import fields, integers, signed
from nbspy.importers.source import Importer, short_file
from nbspy.model.assembly import Assembler, foreign_hello
from nbspy.model.builder import MAX_TIME_NS
from nbspy.model.profile import Profile
from nbspy.wire import State

_NS: Final = {"nanoseconds": 1, "microseconds": 1_000, "milliseconds": 1_000_000, "seconds": 1_000_000_000}
DEFAULT_PERIOD_NS: Final = 10_000_000
_SAMPLE_TYPE, _SAMPLE, _LOCATION, _FUNCTION, _STRING = 1, 2, 4, 5, 6
_TIME_NANOS, _PERIOD_TYPE, _PERIOD = 9, 11, 12
_MAX_ID: Final = (1 << 31) - 1


def read_pprof(data: bytes) -> Profile:
    """Return the profile; raises :class:`StreamError` where the bytes are no such message."""
    try:
        return _Reader(data).profile()
    except StreamError as err:
        raise StreamError(f"not a pprof profile, or a damaged one: {err.message}") from err


@dataclass
class _Message:
    """A message with its integer fields, and its other fields in order."""

    numbers: dict[int, int] = field(default_factory=dict)
    messages: defaultdict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    repeated: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))


def _message(data: bytes, *repeated: int) -> _Message:
    message = _Message()
    for number, value in fields(data):
        if number in repeated:
            message.repeated[number] += integers(value)
        elif isinstance(value, int):
            message.numbers[number] = value
        else:
            message.messages[number].append(value)
    return message


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._top = top = _message(data)
        self._strings = [text.decode("utf-8", "replace") for text in top.messages[_STRING]]
        if not self._strings or self._strings[0]:
            raise StreamError("its first string is not the empty one")
        self._assembler = Assembler()
        self._threads: dict[tuple[int, str, int, str], int] = {}
        self._ends_us: dict[int, int] = {}
        self._functions: dict[int, tuple[str, str, int]] = {}
        for one in map(_message, top.messages[_FUNCTION]):
            names = (self._string(one.numbers.get(2, 0)), self._string(one.numbers.get(4, 0)))
            self._functions[one.numbers.get(1, 0)] = (*names, signed(one.numbers.get(5, 0)))
        self._locations: dict[int, list[int]] = {}
        for one in map(_message, top.messages[_LOCATION]):
            self._locations[one.numbers.get(1, 0)] = self._frames(one)
        self._values()

    def _string(self, index: int) -> str:
        if index >= len(self._strings):
            raise StreamError(f"string {index} is used, there are {len(self._strings)}")
        return self._strings[index]

    def _frames(self, location: _Message) -> list[int]:
        """Return a location's frames, root first: what was inlined comes last."""
        frames = []
        for line in map(_message, location.messages[4]):
            function = line.numbers.get(1, 0)
            if function not in self._functions:
                raise StreamError(f"function {function} is used, but not defined")
            name, file, first_line = self._functions[function]
            line_number = signed(line.numbers.get(2, 0)) or first_line
            frames.append(
                self._assembler.frame(name, file, line_number, first_line=first_line, short_file=short_file(file))
            )
        if not frames:  # no symbol: the address is all that is known
            frames.append(self._assembler.frame(f"{location.numbers.get(3, 0):#x}"))
        return frames[::-1]

    def _values(self) -> None:
        """Find which value says how often, and which how long."""
        units = [self._string(one.numbers.get(2, 0)) for one in map(_message, self._top.messages[_SAMPLE_TYPE])]
        self._count_at = next((i for i, unit in enumerate(units) if unit == "count"), None)
        self._time_at = next((i for i, unit in enumerate(units) if unit in _NS), None)
        self._ns = _NS[units[self._time_at]] if self._time_at is not None else 1
        self._value_count = len(units)
        period = signed(self._top.numbers.get(_PERIOD, 0))
        of = [_message(one) for one in self._top.messages[_PERIOD_TYPE][-1:]]
        unit_ns = _NS.get(self._string(of[0].numbers.get(2, 0)), 0) if of else 0
        period_ns = period * unit_ns
        self._period_ns = period_ns if 0 < period_ns <= MAX_TIME_NS else DEFAULT_PERIOD_NS

    def profile(self) -> Profile:
        for sample in self._top.messages[_SAMPLE]:
            self._sample(_message(sample, 1, 2))
        started_ns = signed(self._top.numbers.get(_TIME_NANOS, 0))
        processes = {key[:2] for key in self._threads}
        pid, command_line = processes.pop() if len(processes) == 1 else (0, "")
        hello = foreign_hello(
            interval_ns=self._period_ns, pid=pid, command_line=command_line, started_unix_ns=max(0, started_ns)
        )
        text = "Read from a pprof profile, which says how long but not when: samples lie one after the other."
        return self._assembler.profile(hello, notices=[wire.Notice(0, 0, text)])

    def _sample(self, sample: _Message) -> None:
        values = [signed(value) for value in sample.repeated[2]]
        if len(values) != self._value_count:
            raise StreamError(f"a sample has {len(values)} values, not {self._value_count}")
        count, weight_us = self._amounts(values)
        if count <= 0:
            return
        node = 0
        for location in reversed(sample.repeated[1]):
            if location not in self._locations:
                raise StreamError(f"location {location} is used, but not defined")
            for frame in self._locations[location]:
                node = self._assembler.node(node, frame)
        thread = self._thread(sample.messages[3])
        start_us = self._ends_us.get(thread, 0)
        state = int(State.ACTIVE)
        self._assembler.run(thread, node, start_us * 1000, state=state, count=count, weight_us=weight_us)
        self._ends_us[thread] = start_us + weight_us

    def _amounts(self, values: list[int]) -> tuple[int, int]:
        """Return how often, and how long in microseconds."""
        time_ns = values[self._time_at] * self._ns if self._time_at is not None else None
        if self._count_at is not None:
            count = values[self._count_at]
        elif time_ns is not None:
            count = max(1, round(time_ns / self._period_ns)) if time_ns > 0 else 0
        else:
            count = 1 if any(values) else 0
        return count, (count * self._period_ns if time_ns is None else time_ns) // 1000

    def _thread(self, labels: list[bytes]) -> int:
        texts: dict[str, str] = {}
        numbers: dict[str, int] = {}
        for label in map(_message, labels):
            key = self._string(label.numbers.get(1, 0))
            if text := self._string(label.numbers.get(2, 0)):
                texts[key] = text
            numbers[key] = signed(label.numbers.get(3, 0))
        pid = _id(numbers.get("pid", 0))
        tid = _id(numbers.get("tid", 0) or numbers.get("thread_id", 0))
        name = texts.get("thread") or texts.get("thread_name") or ("" if tid else "all threads")
        thread = (pid, texts.get("process", ""), tid, name)
        if thread not in self._threads:
            process = self._assembler.process(pid, thread[1])
            self._threads[thread] = self._assembler.thread(process, name, os_thread_id=tid or None)
        return self._threads[thread]


def _id(value: int) -> int:
    return value if 0 < value <= _MAX_ID else 0


def _looks_so(data: bytes) -> bool:
    # A message begins with its first field: in all writers known, a sample type, or else another field of Profile.
    return bool(data) and data[0] >> 3 in range(1, 17) and data[0] & 7 in (0, 2) and b"\0" in data


PPROF: Final = Importer("pprof", _looks_so, read_pprof)
