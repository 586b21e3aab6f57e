"""The stream: one format from the sampler to the kernel, to the browser and to the recording file.

A stream is the 8 bytes of :data:`MAGIC`, then records. A record is a 4-byte little-endian length, then that
many bytes of one MessagePack array ``[kind, sequence, ...]``. Bulk columns are little-endian typed arrays
inside bin fields; the columns of one record have equal numbers of elements. ``js/src/stream.ts`` mirrors this
module, and golden files under ``tests/data`` hold both to the same answer.

Ids are dense and count from 0 in the order of definition; a record defines an id before any record uses it.
String 0 is "". Node 0 is the root of the call tree: it has no frame and is not sent.

| kind | record   | fields after ``kind`` and ``sequence``                                        |
|------|----------|-------------------------------------------------------------------------------|
| 0    | hello    | see :class:`Hello`: format version, target, clock origin                      |
| 1    | strings  | first_id, [text, ...]                                                         |
| 2    | frames   | first_id, columns: name, qualname, file, short_file, module (u32 string ids), |
|      |          | line, first_line (i32; 0 = unknown), flags (u8, :class:`FrameFlag`)            |
| 3    | nodes    | first_id, columns: parent (u32 node id), frame (u32 frame id)                 |
| 4    | threads  | [[id, process, os_thread_id or nil, thread_id, name, interpreter], ...]       |
| 5    | processes| [[id, pid, parent_pid, command_line, started_ns, ended_ns or nil,             |
|      |          | python_version], ...]                                                         |
| 6    | samples  | base_time_ns, columns: start_us (u32, from base_time_ns), thread (u32),       |
|      |          | node (u32, the leaf), state (u8, :class:`State`), count (u32), weight_us (u32)|
| 7    | status   | see :class:`Status`: cumulative counters                                      |
| 8    | end      | time_ns, reason, kind, message, help, exit_status (see :class:`End`)           |
| 9    | labels   | [[file name, label], ...]: what to show instead of a file name                |
| 10   | notice   | time_ns, text: something the person should know, e.g. a fallback               |
| 11   | sources  | [[file name, first line, text], ...]: stretches of source files               |

A samples row is a run: ``count`` consecutive samples of one thread with the same leaf and the same state,
the first at ``start_us``. Its weight is the time from its first sample to the first sample after the run.
Times are nanoseconds (columns: microseconds) of the sampler's monotonic clock since ``Hello.clock_origin_ns``.
Thread and process rows may be sent again under the same id: the newest row counts (a thread was named late).

``sequence`` counts a sampler's records from 1 and shows what was lost; records the kernel adds to the stream
(labels, sources, an end that knows more) carry 0. A reader ignores kinds and trailing fields it does not know, and a
stream that is cut is a valid profile up to the last whole record.

Bounds: a record is at most :data:`MAX_RECORD_BYTES`; longer input is refused, not buffered.
"""

from __future__ import annotations

import enum
import functools
import struct
import sys
from array import array
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from nbspy.errors import StreamError

MAGIC: Final = b"\x89nbspy\r\n"
FORMAT_VERSION: Final = (1, 0)
MAX_RECORD_BYTES: Final = 64 << 20
_LENGTH = struct.Struct("<I")


class State(enum.IntFlag):
    """State bits of a thread at a sample; 0 is idle."""

    ACTIVE = 1
    """Running or runnable by the operating system's word, and not in a known wait."""
    GIL = 2
    """Holds the GIL of its interpreter."""
    GIL_WAIT = 4
    """Waits for the GIL."""
    GC = 8
    """A garbage collection of its interpreter runs on this thread."""
    EXCEPTION = 16
    """Handles an exception."""
    FINALIZING = 32
    """Python ends: its process, its interpreter, or the thread itself."""


BESIDE_WORDS: Final = ((State.GC, "gc"), (State.EXCEPTION, "exception"), (State.FINALIZING, "finalizing"))
"""What may be so beside running or waiting, in words."""


class FrameFlag(enum.IntFlag):
    """What a frame is; 0 is an ordinary Python frame."""

    SYNTHETIC = 1
    """Not a Python function: a process, a thread, a marker."""
    NO_SYMBOL = 2
    """The code object could not be read: the name is a placeholder."""


class Record(msgspec.Struct, array_like=True, frozen=True):
    """Base of all records: ``sequence`` as in the module's docstring."""

    sequence: int


class Hello(Record, frozen=True, tag=0):
    """The first record."""

    format: tuple[int, int]
    """Major and minor; a reader refuses another major and accepts any minor."""
    nbspy_version: str
    pid: int
    command_line: str
    python_version: str
    """The target's, as "3.13.0"."""
    free_threaded: bool
    interval_ns: int
    """The asked-for time between two samples."""
    clock_origin_ns: int
    """Monotonic clock of the sampler's machine at time 0 of the stream."""
    started_unix_ns: int
    """Wall clock at time 0 of the stream."""
    blocking: bool
    """True where the thread that may change frames is stopped for each copy."""


class Strings(Record, frozen=True, tag=1):
    first_id: int
    texts: list[str]


class Frames(Record, frozen=True, tag=2):
    first_id: int
    name: bytes
    qualname: bytes
    file: bytes
    short_file: bytes
    module: bytes
    line: bytes
    first_line: bytes
    flags: bytes


class Nodes(Record, frozen=True, tag=3):
    first_id: int
    parent: bytes
    frame: bytes


class ThreadRow(msgspec.Struct, array_like=True, frozen=True):
    id: int
    process: int
    os_thread_id: int | None
    thread_id: int
    name: str
    """ "" where the thread has no name."""
    interpreter: int


class Threads(Record, frozen=True, tag=4):
    rows: list[ThreadRow]


class ProcessRow(msgspec.Struct, array_like=True, frozen=True):
    id: int
    pid: int
    parent_pid: int
    command_line: str
    started_ns: int = 0
    """When the sampler began to look at it."""
    ended_ns: int | None = None
    """When it was found to have ended, or to have become another program; that one is another process here."""
    python_version: str = ""


class Processes(Record, frozen=True, tag=5):
    rows: list[ProcessRow]


class Samples(Record, frozen=True, tag=6):
    base_time_ns: int
    start_us: bytes
    thread: bytes
    node: bytes
    state: bytes
    count: bytes
    weight_us: bytes


class Status(Record, frozen=True, tag=7):
    """Counters since the start of the sampler; sent a few times a second and last before the end."""

    time_ns: int
    samples: int
    """Instants observed: one per tick of the clock, whatever the number of threads."""
    thread_samples: int
    """Sum over samples of the threads seen; equals the sum of ``count`` over all runs."""
    late: int
    """Ticks that began more than half an interval after their deadline."""
    retried: int
    """Copies taken again because they were not provably of one instant."""
    discarded: int
    """Ticks given up because no copy was consistent within the budget."""
    cpu_ns: int
    """User and system CPU time of the sampler process."""
    attach_ns: int
    """From the request to attach to the first sample."""
    stop_count: int
    """Times a thread of the target was stopped, and for how long it stood: total, median, 99th percentile."""
    stop_total_ns: int
    stop_median_ns: int
    stop_p99_ns: int


class End(Record, frozen=True, tag=8):
    """The last record of a stream that ended in order."""

    time_ns: int
    reason: str
    """``stopped``, ``duration``, ``target-ended`` or ``error``."""
    kind: str
    """For ``error``: the ``kind`` of the error class in ``nbspy.errors``; else ""."""
    message: str
    help: str
    exit_status: int | None = None
    """How the target ended, as of ``subprocess``: negative for the signal that killed it. Only a process's parent is
    told: None where that is somebody else, and where the target runs on. A later end record replaces an earlier."""


class Labels(Record, frozen=True, tag=9):
    rows: list[tuple[str, str]]


class Notice(Record, frozen=True, tag=10):
    time_ns: int
    text: str


class Sources(Record, frozen=True, tag=11):
    rows: list[tuple[str, int, str]]
    """(file name, number of the first line, lines with newlines between)."""


AnyRecord = Hello | Strings | Frames | Nodes | Threads | Processes | Samples | Status | End | Labels | Notice | Sources
_KINDS: Final = 12
_encoder: Final = msgspec.msgpack.Encoder()


@functools.cache
def _decoder() -> msgspec.msgpack.Decoder[AnyRecord]:
    """Made when it is first asked for: it takes 3 ms, and the sampler never asks."""
    return msgspec.msgpack.Decoder(AnyRecord)


def encode(record: Record) -> bytes:
    """Return ``record`` with its length in front; lone surrogates, which no UTF-8 has, as replacement characters."""
    try:
        body = _encoder.encode(record)
    except UnicodeEncodeError:
        body = _encoder.encode(_encodable(msgspec.to_builtins(record, builtin_types=(bytes,))))
    return _LENGTH.pack(len(body)) + body


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return [_encodable(inner) for inner in value] if isinstance(value, list | tuple) else value


def decode(body: bytes | memoryview) -> AnyRecord | None:
    """Return the record in ``body`` (without its length), or None for a kind this version does not know.

    Raises :class:`StreamError` where the bytes are no record.
    """
    # A fixarray of up to 15 elements is one byte; the kind follows as a positive fixint.
    if len(body) >= 2 and 0x90 <= body[0] <= 0x9F and _KINDS <= body[1] <= 0x7F:
        return None
    try:
        record = _decoder().decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise StreamError(f"not an nbspy record: {err}") from err
    return record


class FrameSplitter:
    """Cuts a byte stream, arriving in pieces of any size, into record bodies."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._magic_seen = False

    @property
    def pending(self) -> int:
        """Bytes received that are not yet a whole record."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield each record body that ``data`` completes.

        Raises :class:`StreamError` where the stream does not begin with :data:`MAGIC` or announces a record
        above :data:`MAX_RECORD_BYTES`.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        if not self._magic_seen:
            if not MAGIC.startswith(bytes(buffer[: len(MAGIC)])):
                raise StreamError("not an nbspy recording", "it does not begin with the nbspy signature")
            if len(buffer) < len(MAGIC):
                return
            self._magic_seen = True
            start = len(MAGIC)
        try:
            while len(buffer) - start >= 4:
                (length,) = _LENGTH.unpack_from(buffer, start)
                if length > MAX_RECORD_BYTES:
                    raise StreamError(f"a record of {length} bytes is announced; the bound is {MAX_RECORD_BYTES}")
                end = start + 4 + length
                if len(buffer) < end:
                    break
                body = bytes(buffer[start + 4 : end])
                start = end
                yield body
        finally:
            del buffer[:start]


def column(typecode: str, data: bytes) -> array[int]:
    """Return the little-endian column ``data`` as an array of ``typecode`` (``I``, ``i`` or ``B``).

    Raises :class:`StreamError` where the length is no multiple of the element size.
    """
    values = array(typecode)
    if len(data) % values.itemsize:
        raise StreamError(f"a column of {len(data)} bytes is no array of {values.itemsize}-byte elements")
    values.frombytes(data)
    if sys.byteorder == "big":  # pragma: no cover - no such machine here
        values.byteswap()
    return values


def column_bytes(values: array[int]) -> bytes:
    """Return ``values`` as a little-endian column."""
    if sys.byteorder == "big":  # pragma: no cover - no such machine here
        values = values[:]
        values.byteswap()
    return values.tobytes()
