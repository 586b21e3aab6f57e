"""Writes a sampler's stream to a pipe, without ever waiting for it.

What the pipe does not take stays in a bounded buffer; while that is full, nothing more is encoded, and the runs that
wait are merged (:mod:`nbspy.sampling.runs`). So a reader that stands still delays nothing and loses nothing.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from nbspy import wire
from nbspy.cpython.interner import NewEntries
from nbspy.host import host
from nbspy.sampling.recording import RecordingFile
from nbspy.sampling.runs import RunColumns

MAX_PENDING_BYTES: Final = 4 << 20
"""Bytes encoded but not taken by the pipe, above which nothing more is encoded."""
MAX_TABLE_BYTES: Final = 4 << 20
"""Bytes of texts in one record, far below what a reader refuses; a single text is at most some KiB."""
_ROWS_PER_RECORD: Final = 50_000


def _words(values: Sequence[int]) -> bytes:
    return wire.column_bytes(array("I", values))


def _encodable(text: str) -> str:
    """Lone surrogates, which no UTF-8 has, become replacement characters."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _portions(texts: Sequence[str]) -> Iterator[list[str]]:
    """Cut ``texts`` into lists of about :data:`MAX_TABLE_BYTES` at most."""
    portion: list[str] = []
    size = 0
    for text in texts:
        portion.append(text)
        size += 4 * len(text)
        if size >= MAX_TABLE_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


class StreamWriter:
    """One stream into one pipe, which is never waited for; and the same into a recording, if there is one."""

    def __init__(self, descriptor: int) -> None:
        self.output = host.output(descriptor)
        self._pending = bytearray(wire.MAGIC)
        self._sequence = 0
        self._strings: dict[str, int] = {"": 0}
        self._recording: RecordingFile | None = None
        self._unrecorded = bytearray()
        self.broken = False
        """True once the reader is gone."""

    @property
    def pending(self) -> int:
        """Bytes that the pipe has not taken yet."""
        return len(self._pending)

    @property
    def full(self) -> bool:
        """True while the pipe does not take what is there already."""
        return len(self._pending) > MAX_PENDING_BYTES

    def next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def record_to(self, recording: RecordingFile) -> None:
        """Write what is put from now on, which is the stream from its hello, to ``recording`` too."""
        self._recording = recording
        self._unrecorded += wire.MAGIC

    @property
    def recording_problem(self) -> str:
        """Why the recording has ended early; "" while it has not, or there is none."""
        return self._recording.problem if self._recording is not None else ""

    def put(self, record: wire.Record) -> None:
        """Encode one record; :meth:`flush` writes it."""
        encoded = wire.encode(record)
        self._pending += encoded
        if self._recording is not None:
            self._unrecorded += encoded

    def put_tables(self, new: NewEntries) -> None:
        """Write down what was interned since the last time: strings, then frames, then nodes."""
        first_string = new.first_string
        for portion in _portions(new.strings):
            for number, text in enumerate(portion, first_string):
                self._strings[text] = number
            self.put(wire.Strings(self.next_sequence(), first_string, list(map(_encodable, portion))))
            first_string += len(portion)
        strings = self._strings
        for first in range(0, len(new.frames), _ROWS_PER_RECORD):
            frames = new.frames[first : first + _ROWS_PER_RECORD]
            self.put(
                wire.Frames(
                    self.next_sequence(),
                    new.first_frame + first,
                    name=_words([strings[frame.name] for frame in frames]),
                    qualname=_words([strings[frame.qualname] for frame in frames]),
                    file=_words([strings[frame.file] for frame in frames]),
                    short_file=_words([strings[frame.short_file] for frame in frames]),
                    module=_words([strings[frame.module] for frame in frames]),
                    line=wire.column_bytes(array("i", [frame.line for frame in frames])),
                    first_line=wire.column_bytes(array("i", [frame.first_line for frame in frames])),
                    flags=wire.column_bytes(array("B", [frame.flags for frame in frames])),
                )
            )
        for first in range(0, len(new.nodes), _ROWS_PER_RECORD):
            parents, frame_ids = zip(*new.nodes[first : first + _ROWS_PER_RECORD], strict=True)
            self.put(wire.Nodes(self.next_sequence(), new.first_node + first, _words(parents), _words(frame_ids)))

    def put_samples(self, columns: RunColumns) -> None:
        """Write down the closed runs."""
        while len(columns):
            base_ns, arrays = columns.take()
            self.put(wire.Samples(self.next_sequence(), base_ns, *(wire.column_bytes(part) for part in arrays)))

    def flush(self) -> bool:
        """Write what the pipe takes now; True when nothing is left."""
        # The recording first: what the kernel adds to it, once it has the hello, must not come before the hello.
        if self._unrecorded and self._recording is not None:
            self._recording.write(bytes(self._unrecorded))
            self._unrecorded.clear()
        while self._pending and not self.broken:
            try:
                written = self._write_some()
            except BlockingIOError:
                return False
            except (BrokenPipeError, OSError):
                self.broken = True
                break
            del self._pending[:written]
        return True

    def _write_some(self) -> int:
        # Both views are let go of before bytes are removed: a bytearray that is looked at cannot change its length.
        with memoryview(self._pending) as whole, whole[: 1 << 16] as portion:
            return self.output.write(portion)
