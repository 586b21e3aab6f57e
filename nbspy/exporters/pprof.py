"""pprof: gzipped protocol buffers as github.com/google/pprof's proto/profile.proto has them.

Two values a sample: how often (``samples``, count) and how long (``wall``, nanoseconds). One sample for each distinct
stack of each thread, with the labels ``thread`` (name), ``tid``, ``pid`` and ``process`` (command line). The field
numbers below are those of the schema's messages.
"""

from __future__ import annotations

import gzip
from typing import BinaryIO, Final

from nbspy.exporters.format import Exporter, chosen
from nbspy.exporters.protobuf import data, number, numbers, text
from nbspy.model.profile import Profile, Stack
from nbspy.model.tables import FrameInfo, ThreadInfo
from nbspy.options import ContentOptions


class _Profile:
    SAMPLE_TYPE, SAMPLE, LOCATION, FUNCTION, STRING = 1, 2, 4, 5, 6
    TIME_NANOS, DURATION_NANOS, PERIOD_TYPE, PERIOD, COMMENT, DEFAULT_SAMPLE_TYPE = 9, 10, 11, 12, 13, 14


class _ValueType:
    TYPE, UNIT = 1, 2


class _Sample:
    LOCATION_ID, VALUE, LABEL = 1, 2, 3


class _Label:
    KEY, STR, NUM = 1, 2, 3


class _Location:
    ID, LINE = 1, 4


class _Line:
    FUNCTION_ID, LINE = 1, 2


class _Function:
    ID, NAME, SYSTEM_NAME, FILENAME, START_LINE = 1, 2, 3, 4, 5


def write_pprof(profile: Profile, stream: BinaryIO, options: ContentOptions) -> None:
    """Write ``profile`` to ``stream``."""
    # The time in the gzip header is left out: equal profiles are equal files.
    stream.write(gzip.compress(_Encoder(profile, options).encoded(), mtime=0))


class _Encoder:
    def __init__(self, profile: Profile, options: ContentOptions) -> None:
        self._profile, self._options = profile, options
        self._strings: dict[str, int] = {"": 0}
        self._functions: dict[tuple[str, str, int], bytes] = {}
        self._function_ids: dict[tuple[str, str, int], int] = {}
        self._locations: dict[tuple[int, int], bytes] = {}
        self._location_ids: dict[tuple[int, int], int] = {}
        self._known: dict[FrameInfo, int] = {}

    def encoded(self) -> bytes:
        """Return the Profile message."""
        hello, profile = self._profile.hello, self._profile
        samples = [self._sample(stack) for stack in chosen(profile, self._options).stacks()]
        wall = self._value_type("wall", "nanoseconds")
        fields = [
            data(_Profile.SAMPLE_TYPE, self._value_type("samples", "count")),
            data(_Profile.SAMPLE_TYPE, wall),
            *(data(_Profile.SAMPLE, sample) for sample in samples),
            *(data(_Profile.LOCATION, location) for location in self._locations.values()),
            *(data(_Profile.FUNCTION, function) for function in self._functions.values()),
            number(_Profile.TIME_NANOS, hello.started_unix_ns + profile.span_ns[0] if hello.started_unix_ns else 0),
            number(_Profile.DURATION_NANOS, profile.duration_ns),
            data(_Profile.PERIOD_TYPE, wall),
            number(_Profile.PERIOD, hello.interval_ns),
            number(_Profile.COMMENT, self._string(f"nbspy {hello.nbspy_version}: Python {hello.python_version}")),
            number(_Profile.DEFAULT_SAMPLE_TYPE, self._string("wall")),
        ]
        fields += [text(_Profile.STRING, one) for one in self._strings]  # the table is whole only now
        return b"".join(fields)

    def _string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))

    def _value_type(self, kind: str, unit: str) -> bytes:
        return number(_ValueType.TYPE, self._string(kind)) + number(_ValueType.UNIT, self._string(unit))

    def _sample(self, stack: Stack) -> bytes:
        locations = [self._location(frame) for frame in reversed(stack.frames)]
        labels = b"".join(data(_Sample.LABEL, label) for label in self._labels(stack.thread))
        return numbers(_Sample.LOCATION_ID, locations) + numbers(_Sample.VALUE, (stack.count, stack.weight_ns)) + labels

    def _labels(self, thread: ThreadInfo) -> list[bytes]:
        process = thread.process
        labels = [self._label("thread", thread.shown_name)]
        if thread.os_thread_id is not None:
            labels.append(self._label("tid", thread.os_thread_id))
        labels.append(self._label("pid", process.pid))
        if process.command_line:
            labels.append(self._label("process", process.command_line))
        return labels

    def _label(self, key: str, value: str | int) -> bytes:
        of_value = number(_Label.NUM, value) if isinstance(value, int) else number(_Label.STR, self._string(value))
        return number(_Label.KEY, self._string(key)) + of_value

    def _location(self, frame: FrameInfo) -> int:
        if frame not in self._known:
            options = self._options
            line = 0 if options.nolineno else frame.first_line if options.function else frame.line
            file = frame.file if options.full_filenames else frame.short_file
            key = (self._function(frame.name, file, 0 if options.nolineno else frame.first_line), line)
            if key not in self._location_ids:
                self._location_ids[key] = len(self._location_ids) + 1
                of_line = number(_Line.FUNCTION_ID, key[0]) + number(_Line.LINE, line)
                self._locations[key] = number(_Location.ID, self._location_ids[key]) + data(_Location.LINE, of_line)
            self._known[frame] = self._location_ids[key]
        return self._known[frame]

    def _function(self, name: str, file: str, first_line: int) -> int:
        key = (name, file, first_line)
        if key not in self._function_ids:
            self._function_ids[key] = len(self._function_ids) + 1
            self._functions[key] = (
                number(_Function.ID, self._function_ids[key])
                + number(_Function.NAME, self._string(name or "(no name)"))
                + number(_Function.SYSTEM_NAME, self._string(name or "(no name)"))
                + number(_Function.FILENAME, self._string(file))
                + number(_Function.START_LINE, first_line)
            )
        return self._function_ids[key]


PPROF: Final = Exporter(
    "pprof", ".pb.gz", "for pprof and what reads its format (Grafana, speedscope, ...)", write_pprof, (".pprof",)
)
